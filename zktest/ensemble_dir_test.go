package zktest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An ensemble takes an empty folder or one that it has had before. It leaves others
// alone.
func TestFolderOfOthersIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "own")
	for range 2 {
		d, err := chosenDir(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, "1"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := d.close(); err != nil {
			t.Fatal(err)
		}
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "thesis.tex"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := chosenDir(other); err == nil || !strings.Contains(err.Error(), "neither empty nor") || !strings.Contains(err.Error(), "thesis.tex") {
		t.Errorf("error is %v", err)
	}
	if entries, err := os.ReadDir(other); err != nil || len(entries) != 1 {
		t.Errorf("%v, %v", entries, err)
	}
}

// A port that is taken is an error of one line, which says if the system also gives the
// port to outgoing connections.
func TestTakenPortIsNamed(t *testing.T) {
	lowest, highest := EphemeralPorts()
	if lowest < 1024 || highest <= lowest {
		t.Fatalf("ephemeral ports %d to %d", lowest, highest)
	}
	taken, err := freeAddrs(1)
	if err != nil {
		t.Fatal(err)
	}
	for addr, hint := range map[string]bool{taken[0]: true, "127.0.0.1:2181": false} {
		text := cannotListen(2, addr, os.ErrPermission).Error()
		if !strings.Contains(text, "server 2 cannot listen on "+addr+": ") || strings.Contains(text, "outgoing") != hint || strings.Contains(text, "\n") {
			t.Error(text)
		}
	}
}
