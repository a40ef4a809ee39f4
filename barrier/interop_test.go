//go:build interop

package barrier_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// foreign is a program that answers each line with one.
type foreign struct {
	testing.TB
	in  io.WriteCloser
	out *bufio.Scanner
}

func start(t *testing.T, name string, args ...string) *foreign {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
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
	return &foreign{t, in, bufio.NewScanner(out)}
}

// say says line and returns the answer.
func (f *foreign) say(line string) string {
	f.Helper()
	if _, err := io.WriteString(f.in, line+"\n"); err != nil {
		f.Fatal(err)
	}
	if !f.out.Scan() {
		f.Fatalf("no answer to %q (%v)", line, f.out.Err())
	}
	return f.out.Text()
}

// wants says line and checks the answer.
func (f *foreign) wants(line, want string) {
	f.Helper()
	if got := f.say(line); got != want {
		f.Errorf("%s: %q, not %q", line, got, want)
	}
}

// eachServer runs a test on a real server and on zktest.
func eachServer(t *testing.T, test func(t *testing.T, s *session.Session, connect string)) {
	connectTo := func(t *testing.T, addr string) {
		s, err := session.Connect(t.Context(), addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close(context.Background()) })
		test(t, s, addr)
	}
	t.Run("on a real server", func(t *testing.T) {
		connectTo(t, zktest.Ensemble(t, 1, zktest.WithTick(200*time.Millisecond)).Connect())
	})
	t.Run("on zktest", func(t *testing.T) {
		connectTo(t, zktest.New(t, zktest.WithTick(200*time.Millisecond)).Addr())
	})
}

func TestCurator(t *testing.T) {
	dir := t.TempDir()
	var jars []string
	for _, jar := range []string{"curator-recipes", "curator-framework", "curator-client", "zookeeper", "zookeeper-jute", "guava", "slf4j-nop"} {
		jars = append(jars, filepath.Join("/usr/share/java", jar+".jar"))
	}
	classPath := strings.Join(append(jars, dir), ":")
	if out, err := exec.Command("javac", "-cp", classPath, "-d", dir, "testdata/interop/Barriers.java").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	eachServer(t, func(t *testing.T, s *session.Session, connect string) {
		together(t, s, start(t, "java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", classPath, "Barriers", connect), "true")
	})
}

func TestKazoo(t *testing.T) {
	eachServer(t, func(t *testing.T, s *session.Session, connect string) {
		together(t, s, start(t, "/usr/bin/python3", "testdata/interop/barriers.py", connect), "none")
	})
}

// together has another library's barriers and ours on the same nodes.
func together(t *testing.T, s *session.Session, theirs *foreign, left string) {
	theirs.wants("barrier /up", "ok")
	up := barrier.New(s, "/up")
	for range 2 {
		theirs.wants("set", "ok")
		if is, err := up.Raised(t.Context()); err != nil || !is {
			t.Errorf("raised: %v (%v)", is, err)
		}
		waited := make(chan error, 1)
		go func() { waited <- up.Wait(t.Context()) }()
		theirs.wants("wait", "ok")
		theirs.wants("remove", "ok")
		theirs.wants("result", "true")
		if err := <-waited; err != nil {
			t.Errorf("Wait: %v", err)
		}

		if err := up.Raise(t.Context()); err != nil {
			t.Fatal(err)
		}
		theirs.wants("set", "ok") // it is, and that is as good
		theirs.wants("wait", "ok")
		theirs.wants("pending", "true")
		if err := up.Lower(t.Context()); err != nil {
			t.Fatal(err)
		}
		theirs.wants("result", "true")
		theirs.wants("remove", "ok")
	}

	// Whoever comes last, all are in one round, again and again, theirs under the
	// same name; and who has come too late is told.
	theirs.wants("double "+path+" 3", "ok")
	d := barrier.NewDouble(s, path, 3)
	var last session.Zxid
	for position := range 3 {
		var ours []<-chan entered
		for i := range 3 {
			if i == position {
				theirs.wants("enter", "ok")
			} else {
				ours = append(ours, entering(t.Context(), d))
			}
			if i < 2 {
				testkit.AwaitChildren(t, s, path, i+1)
			}
		}
		theirs.wants("result", "true")
		a, b := in(t, ours[0]), in(t, ours[1])
		if a.Round() != b.Round() || a.Round() <= last {
			t.Errorf("rounds %v and %v, after %v", a.Round(), b.Round(), last)
		}
		last = a.Round()
		if _, err := d.Enter(t.Context()); !errors.Is(err, barrier.ErrFull) {
			t.Errorf("a fourth of 3: %v", err)
		}
		// The one that is first in the order of names leaves last, so that Kazoo,
		// if it is another, waits for it.
		es := []*barrier.Entry{a, b}
		slices.SortFunc(es, func(a, b *barrier.Entry) int { return strings.Compare(b.Path(), a.Path()) })
		first := leaving(t.Context(), es[0])
		theirs.wants("leave", "ok")
		second := leaving(t.Context(), es[1])
		theirs.wants("result", left)
		for _, c := range []<-chan error{first, second} {
			if err := testkit.Receive(t, c); err != nil {
				t.Errorf("Leave: %v", err)
			}
		}
		testkit.AwaitChildren(t, s, path, 0)
	}

	// A member of ours that gives up does not count for one of theirs that comes
	// later.
	ctx, cancel := context.WithCancel(t.Context())
	gone := entering(ctx, d)
	testkit.AwaitChildren(t, s, path, 1)
	cancel()
	testkit.Receive(t, gone)
	theirs.wants("enter", "ok")
	testkit.AwaitChildren(t, s, path, 1)
	theirs.wants("pending", "true")
	a := entering(t.Context(), d)
	testkit.AwaitChildren(t, s, path, 2)
	theirs.wants("pending", "true")
	b := in(t, entering(t.Context(), d))
	theirs.wants("result", "true")
	theirs.wants("leave", "ok")
	out(t, in(t, a), b)
	theirs.wants("result", left)
	testkit.AwaitChildren(t, s, path, 0)
}
