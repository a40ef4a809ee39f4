//go:build interop

package foreign

import (
	"bufio"
	"context"
	"io"
	"iter"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Program is a running program.
type Program struct {
	t      testing.TB
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Scanner
	killed bool
}

// limit bounds how long a program runs.
const limit = 5 * time.Minute

// Start starts a program. When the test ends, the program's input is closed, and the
// program must exit without an error, unless it was killed.
func Start(t testing.TB, name string, args ...string) *Program {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
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
	p := &Program{t: t, cmd: cmd, in: in, out: bufio.NewScanner(out)}
	t.Cleanup(func() {
		defer cancel()
		p.CloseInput()
		err := cmd.Wait()
		if err != nil && !p.killed {
			t.Errorf("%s: %v", name, err)
		}
		if t.Failed() {
			t.Logf("%s wrote to its standard error:\n%s", name, errs.String())
		}
	})
	return p
}

// Ask sends a line and returns the answer.
func (p *Program) Ask(line string) string {
	p.t.Helper()
	if err := p.Send(line); err != nil {
		p.t.Fatal(err)
	}
	if !p.out.Scan() {
		p.t.Fatalf("no answer to %q (%v)", line, p.out.Err())
	}
	return p.out.Text()
}

// Wants sends a line and checks the answer.
func (p *Program) Wants(line, want string) {
	p.t.Helper()
	if got := p.Ask(line); got != want {
		p.t.Errorf("%s: got\n%s, want\n%s", line, got, want)
	}
}

// Send sends a line. With Lines it serves programs that do not answer each line with one.
func (p *Program) Send(line string) error {
	_, err := io.WriteString(p.in, line+"\n")
	return err
}

// Lines returns the lines of the program's output until that ends. They must have been
// read when the test ends.
func (p *Program) Lines() iter.Seq[string] {
	return func(yield func(string) bool) {
		for p.out.Scan() {
			if !yield(p.out.Text()) {
				return
			}
		}
	}
}

// CloseInput closes the program's input, at which it ends.
func (p *Program) CloseInput() { p.in.Close() }

// Kill kills the program, so that it does not close its session.
func (p *Program) Kill() {
	p.killed = true
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Error(err)
	}
}

// Python starts a script with Debian's Python, which has Kazoo.
func Python(t testing.TB, script string, args ...string) *Program {
	t.Helper()
	return Start(t, "/usr/bin/python3", append([]string{script}, args...)...)
}

// Java is a class that was compiled against Curator.
type Java struct{ classPath, class string }

// jars are those of Curator and what it depends on, in Debian.
var jars = []string{"curator-x-discovery", "curator-recipes", "curator-framework", "curator-client", "zookeeper", "zookeeper-jute",
	"guava", "slf4j-nop", "jackson-core", "jackson-databind", "jackson-annotations"}

// Compile compiles Java sources against Debian's Curator. The first one holds the main
// class, which has the name of its file.
func Compile(t testing.TB, sources ...string) Java {
	t.Helper()
	dir := t.TempDir()
	var path []string
	for _, jar := range jars {
		path = append(path, filepath.Join("/usr/share/java", jar+".jar"))
	}
	j := Java{strings.Join(append(path, dir), ":"), strings.TrimSuffix(filepath.Base(sources[0]), ".java")}
	args := append([]string{"-encoding", "UTF-8", "-cp", j.classPath, "-d", dir}, sources...)
	if out, err := exec.Command("javac", args...).CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	return j
}

// Start runs the class.
func (j Java) Start(t testing.TB, args ...string) *Program {
	t.Helper()
	return Start(t, "java", append([]string{"-Xshare:auto", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8",
		"-cp", j.classPath, j.class}, args...)...)
}

// EachServer runs a test with a real server and with one in this process. The test gets a
// session and the connect string for its programs.
func EachServer(t *testing.T, test func(t *testing.T, s *session.Session, connect string)) {
	on := func(t *testing.T, addr string) {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		s, err := session.Connect(ctx, addr)
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
