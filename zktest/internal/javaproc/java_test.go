package javaproc

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestMissing(t *testing.T) {
	_, err := FindZooKeeper(t.TempDir())
	if missing := (*MissingError)(nil); !errors.As(err, &missing) || missing.What != "ZooKeeper" {
		t.Errorf("without ZooKeeper: %v", err)
	}
	t.Setenv("PATH", "")
	t.Setenv("JAVA_HOME", "")
	_, err = FindJava()
	if missing := (*MissingError)(nil); !errors.As(err, &missing) || missing.What != "Java" {
		t.Errorf("without Java: %v", err)
	}
}

func TestClassPathOfArchive(t *testing.T) {
	home := t.TempDir()
	jar := filepath.Join(home, "zookeeper-3.9.5.jar")
	if err := os.WriteFile(jar, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if path, err := FindZooKeeper(home); err != nil || path != jar {
		t.Errorf("class path %q, %v", path, err)
	}
}

// TestProcessEnds starts this test binary again, with no tests to run, and waits for its end.
func TestProcessEnds(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "log")
	p, err := Start(exec.Command(exe, "-test.run=^$"), log)
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if p.Alive() || !p.State().Success() {
		t.Errorf("state %v", p.State())
	}
	if b, err := os.ReadFile(log); err != nil || !strings.Contains(string(b), "PASS") {
		t.Errorf("log %q, %v", b, err)
	}
	p.Stop()
	p.Kill()
	if never := (*Process)(nil); never.Alive() {
		t.Error("a nil process runs")
	}
}
