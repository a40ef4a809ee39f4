//go:build interop

package foreign

import (
	"bufio"
	"context"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Program answers each line with one.
type Program struct {
	t   testing.TB
	in  io.WriteCloser
	out *bufio.Scanner
}

// patience is how long a program may run.
const patience = 3 * time.Minute

// Start starts a program. It ends with the test, when there are no more lines.
func Start(t testing.TB, name string, args ...string) *Program {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	cmd := exec.CommandContext(ctx, name, args...)
	var errs strings.Builder
	cmd.Stderr = &errs
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer cancel()
		in.Close()
		if err := cmd.Wait(); t.Failed() {
			t.Logf("%s: %v\n%s", name, err, errs.String())
		}
	})
	return &Program{t, in, bufio.NewScanner(out)}
}

// Ask says a line and returns the answer.
func (p *Program) Ask(line string) string {
	p.t.Helper()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		p.t.Fatal(err)
	}
	if !p.out.Scan() {
		p.t.Fatalf("no answer to %q (%v)", line, p.out.Err())
	}
	return p.out.Text()
}

// Wants says a line and checks the answer.
func (p *Program) Wants(line, want string) {
	p.t.Helper()
	if got := p.Ask(line); got != want {
		p.t.Errorf("%s: %q, not %q", line, got, want)
	}
}

// Python starts a script with Debian's Python, which has Kazoo.
func Python(t testing.TB, script string, args ...string) *Program {
	t.Helper()
	return Start(t, "/usr/bin/python3", append([]string{script}, args...)...)
}

// Java is a class that has been compiled against Curator.
type Java struct{ classPath, class string }

// Compile compiles a source file, which is called as its class is, against Debian's
// Curator.
func Compile(t testing.TB, source string) Java {
	t.Helper()
	dir := t.TempDir()
	var path []string
	for _, jar := range []string{"curator-recipes", "curator-framework", "curator-client", "zookeeper", "zookeeper-jute", "guava", "slf4j-nop"} {
		path = append(path, filepath.Join("/usr/share/java", jar+".jar"))
	}
	j := Java{strings.Join(append(path, dir), ":"), strings.TrimSuffix(filepath.Base(source), ".java")}
	if out, err := exec.Command("javac", "-cp", j.classPath, "-d", dir, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return j
}

// Start runs the class.
func (j Java) Start(t testing.TB, args ...string) *Program {
	t.Helper()
	return Start(t, "java", append([]string{"-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", j.classPath, j.class}, args...)...)
}

// EachServer runs a test with a real server and with one in this process.
func EachServer(t *testing.T, test func(t *testing.T, s *session.Session, connect string)) {
	on := func(t *testing.T, addr string) {
		s, err := session.Connect(t.Context(), addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close(context.Background()) })
		test(t, s, addr)
	}
	t.Run("on a real server", func(t *testing.T) {
		on(t, zktest.Ensemble(t, 1, zktest.WithTick(200*time.Millisecond)).Connect())
	})
	t.Run("on zktest", func(t *testing.T) {
		on(t, zktest.New(t, zktest.WithTick(200*time.Millisecond)).Addr())
	})
}
