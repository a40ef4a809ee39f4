//go:build interop

package zktest_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/zktest"
)

// grounds returns the addresses of the two servers on which other clients run: a real one,
// from $ZOOKEEPER_HOME or Debian's package, and this one.
func grounds(t *testing.T) (real, own string) {
	t.Helper()
	c := zktest.Ensemble(t, 1, zktest.WithTick(200*time.Millisecond), zktest.WithProperty("znode.container.checkIntervalMs", "500"))
	answer, err := c.Server(0).Word(t.Context(), "srvr")
	if err != nil {
		t.Fatal(err)
	}
	version := "3.9"
	if strings.Contains(answer, "version: 3.8") {
		version = "3.8"
	}
	s := zktest.New(t, zktest.WithVersion(version), zktest.WithTick(200*time.Millisecond), zktest.WithContainerCheck(500*time.Millisecond),
		zktest.WithAddr("127.0.0.1:0"))
	return c.Connect(), s.Addr()
}

// same runs a program on both servers, with the address as its last argument. It must
// succeed and print the same output.
func same(t *testing.T, input string, name string, args ...string) string {
	t.Helper()
	real, own := grounds(t)
	want := output(t, input, name, append(args, real)...)
	got := output(t, input, name, append(args, own)...)
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("real -, zktest +:\n%s", diff)
	}
	t.Log(got)
	return got
}

func output(t *testing.T, input string, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(input)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s\n%s", args, err, out.String(), errs.String())
	}
	return out.String()
}

func TestKazoo(t *testing.T) {
	t.Parallel()
	got := same(t, "", "/usr/bin/python3", "testdata/interop/recipes.py")
	if !strings.HasSuffix(got, "end\n") {
		t.Error("did not come to the end")
	}
}

func TestCurator(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var jars []string
	for _, jar := range []string{"curator-recipes", "curator-framework", "curator-client", "zookeeper", "zookeeper-jute", "guava", "slf4j-nop"} {
		jars = append(jars, filepath.Join("/usr/share/java", jar+".jar"))
	}
	classPath := strings.Join(append(jars, dir), ":")
	output(t, "", "javac", "-cp", classPath, "-d", dir, "testdata/interop/Recipes.java")
	got := same(t, "", "java", "-cp", classPath, "Recipes")
	if !strings.HasSuffix(got, "end\n") {
		t.Error("did not come to the end")
	}
}
