//go:build interop

package lock_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// troupe is a program whose threads do as they are told with another library.
type troupe struct {
	testing.TB
	mu   sync.Mutex // of what is written
	in   io.WriteCloser
	said map[string]chan string
}

// actors are the names of the threads. For what a thread says unasked there is
// another channel.
var actors = []string{"ann", "bob", "cleo"}

func start(t *testing.T, name string, args ...string) *troupe {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
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
	f := &troupe{TB: t, in: in, said: make(map[string]chan string)}
	for _, a := range actors {
		f.said[a], f.said[a+" revoked"] = make(chan string, 10), make(chan string, 10)
	}
	var reader sync.WaitGroup
	reader.Go(func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			who, what, _ := strings.Cut(lines.Text(), " ")
			if what == "revoked" {
				who += " revoked"
			}
			f.said[who] <- what
		}
		for _, c := range f.said {
			close(c)
		}
	})
	t.Cleanup(func() {
		defer cancel()
		in.Close()
		reader.Wait()
		if err := cmd.Wait(); t.Failed() {
			t.Logf("%s: %v\n%s", name, err, errs.String())
		}
	})
	return f
}

// ask tells an actor to do something, and returns its answer.
func (f *troupe) ask(who, format string, args ...any) string {
	f.mu.Lock()
	fmt.Fprintf(f.in, who+" "+format+"\n", args...)
	f.mu.Unlock()
	return f.hear(who)
}

func (f *troupe) hear(who string) string {
	f.Helper()
	select {
	case what := <-f.said[who]:
		return what
	case <-time.After(3 * time.Minute):
		f.Errorf("%s does not answer", who)
		return ""
	}
}

// wants tells an actor to do something, and checks the answer.
func (f *troupe) wants(want, who, format string, args ...any) {
	f.Helper()
	if got := f.ask(who, format, args...); got != want {
		f.Errorf("%s: %s: %q, and should be %q", who, fmt.Sprintf(format, args...), got, want)
	}
}

// eachServer runs a test on a real server and on zktest.
func eachServer(t *testing.T, test func(t *testing.T, connect string)) {
	t.Run("on a real server", func(t *testing.T) {
		test(t, zktest.Ensemble(t, 1, zktest.WithTick(200*time.Millisecond)).Connect())
	})
	t.Run("on zktest", func(t *testing.T) {
		test(t, zktest.New(t, zktest.WithTick(200*time.Millisecond)).Addr())
	})
}

func sessionAt(t *testing.T, servers string) *session.Session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	s, err := session.Connect(ctx, servers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// stage is where those of both libraries have their turns. Both their turns last
// from an acquisition to a release that are seen here.
type stage struct {
	testing.TB
	mu    sync.Mutex
	limit int
	taken int
	turns int
}

// turn has so much of what there is for a moment.
func (s *stage) turn(who string, share int) {
	s.mu.Lock()
	s.turns++
	if s.taken += share; s.taken > s.limit {
		s.Errorf("%s came in where there was no room", who)
	}
	s.mu.Unlock()
	time.Sleep(2 * time.Millisecond)
	s.mu.Lock()
	s.taken -= share
	s.mu.Unlock()
}

// rounds has an actor of another library take turns.
func (f *troupe) rounds(s *stage, n int, who, acquire, release string, share int) {
	for range n {
		f.wants("ok", who, "%s", acquire)
		s.turn(who, share)
		f.wants("ok", who, "%s", release)
	}
}

// rounds has one of ours take turns.
func (s *stage) rounds(n int, acquire func(context.Context) (*lock.Lease, error), share int) {
	for range n {
		l := take(s, acquire)
		s.turn("ours", share)
		mustUnlock(s, l)
	}
}

const rounds = 8

func TestCurator(t *testing.T) {
	dir := t.TempDir()
	var jars []string
	for _, jar := range []string{"curator-recipes", "curator-framework", "curator-client", "zookeeper", "zookeeper-jute", "guava", "slf4j-nop"} {
		jars = append(jars, filepath.Join("/usr/share/java", jar+".jar"))
	}
	classPath := strings.Join(append(jars, dir), ":")
	if out, err := exec.Command("javac", "-cp", classPath, "-d", dir, "testdata/interop/Locks.java").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	eachServer(t, func(t *testing.T, servers string) {
		f := start(t, "java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", classPath, "Locks", servers)
		a, b := sessionAt(t, servers), sessionAt(t, servers)
		t.Run("mutex", func(t *testing.T) { mutexWithCurator(t, f, a, b) })
		t.Run("readers and writers", func(t *testing.T) { readersWithCurator(t, f, a, b) })
		t.Run("downgrade", func(t *testing.T) { downgradeWithCurator(t, f, a) })
		t.Run("semaphore", func(t *testing.T) { semaphoreWithCurator(t, f, a, b) })
		t.Run("revocation", func(t *testing.T) { revocationWithCurator(t, f, a) })
	})
}

func mutexWithCurator(t *testing.T, f *troupe, a, b *session.Session) {
	s := &stage{TB: t, limit: 1}
	var all sync.WaitGroup
	all.Go(func() { f.rounds(s, rounds, "ann", "lock /c/mutex 60000", "unlock /c/mutex", 1) })
	all.Go(func() { f.rounds(s, rounds, "bob", "lock /c/mutex 60000", "unlock /c/mutex", 1) })
	all.Go(func() { s.rounds(rounds, lock.New(a, "/c/mutex").Lock, 1) })
	all.Go(func() { s.rounds(rounds, lock.New(b, "/c/mutex").Lock, 1) })
	all.Wait()
	l := take(t, lock.New(a, "/c/mutex").Lock)
	f.wants("no", "ann", "lock /c/mutex 200")
	mustUnlock(t, l)
	f.wants("ok", "ann", "lock /c/mutex 60000")
	refused(t, "TryLock of what Curator holds", lock.New(a, "/c/mutex").TryLock)
	f.wants("ok", "ann", "unlock /c/mutex")
}

func readersWithCurator(t *testing.T, f *troupe, a, b *session.Session) {
	s := &stage{TB: t, limit: manyReaders}
	ma, mb := lock.NewRW(a, "/c/rw"), lock.NewRW(b, "/c/rw")
	var all sync.WaitGroup
	all.Go(func() { f.rounds(s, rounds, "ann", "read /c/rw 60000", "unread /c/rw", 1) })
	all.Go(func() { f.rounds(s, rounds, "bob", "write /c/rw 60000", "unwrite /c/rw", manyReaders) })
	all.Go(func() { f.rounds(s, rounds, "cleo", "read /c/rw 60000", "unread /c/rw", 1) })
	all.Go(func() { s.rounds(rounds, ma.RLock, 1) })
	all.Go(func() { s.rounds(rounds, mb.RLock, 1) })
	all.Go(func() { s.rounds(rounds, ma.Lock, manyReaders) })
	all.Go(func() {
		for range rounds {
			w := take(t, mb.Lock)
			s.turn("ours", manyReaders)
			r, err := w.Downgrade(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			s.turn("ours, downgraded", 1)
			mustUnlock(t, r)
		}
	})
	all.Wait()
	if s.turns < 8*rounds {
		t.Errorf("only %d turns", s.turns)
	}
}

// downgradeWithCurator has writers of both libraries become readers, and one of
// the other wait to write.
func downgradeWithCurator(t *testing.T, f *troupe, a *session.Session) {
	m := lock.NewRW(a, "/c/down")
	w := take(t, m.Lock)
	waiting := make(chan string)
	go func() { waiting <- f.ask("ann", "write /c/down 60000") }()
	testkit.AwaitChildren(t, a, "/c/down", 2)
	r, err := w.Downgrade(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f.wants("no", "bob", "read /c/down 300") // behind a writer
	select {
	case got := <-waiting:
		t.Errorf("Curator's writer beside our reader: %s", got)
	default:
	}
	mustUnlock(t, r)
	if got := <-waiting; got != "ok" {
		t.Errorf("Curator's writer behind our reader: %s", got)
	}

	// A reader of the version at hand, 5.4, stands at the end of the line, so that a
	// writer between would be let in. Newer ones are played by
	// TestReaderComesInTheWritersPlace.
	f.wants("ok", "ann", "read /c/down 60000")
	f.wants("ok", "ann", "unwrite /c/down")
	next := taking(t, m.Lock)
	testkit.AwaitChildren(t, a, "/c/down", 2)
	f.wants("no", "bob", "read /c/down 300")
	waits(t, "our writer beside Curator's downgraded one", next)
	f.wants("ok", "ann", "unread /c/down")
	mustUnlock(t, <-next)
}

func semaphoreWithCurator(t *testing.T, f *troupe, a, b *session.Session) {
	s := &stage{TB: t, limit: 3}
	ma, mb := lock.NewSemaphore(a, "/c/sem", 3), lock.NewSemaphore(b, "/c/sem", 3)
	var all sync.WaitGroup
	for _, who := range actors {
		all.Go(func() { f.rounds(s, rounds, who, "acquire /c/sem 3 60000", "return", 1) })
	}
	all.Go(func() { s.rounds(rounds, ma.Acquire, 1) })
	all.Go(func() { s.rounds(rounds, several(mb, 2), 2) })
	all.Wait()
	l := take(t, several(ma, 3))
	f.wants("no", "ann", "acquire /c/sem 3 300")
	mustUnlock(t, l)
	f.wants("ok", "ann", "acquire /c/sem 3 60000")
	remaining(t, ma, 2)
	refused(t, "TryAcquireN of what Curator has a part of", trySeveral(ma, 3))
	f.wants("ok", "ann", "return")
	remaining(t, ma, 3)
}

func revocationWithCurator(t *testing.T, f *troupe, a *session.Session) {
	m := lock.New(a, "/c/revoke")
	l := take(t, m.Lock)
	f.wants("ok", "ann", "revoke %s", l.Path())
	select {
	case <-l.Revoked():
	case <-time.After(time.Minute):
		t.Error("Curator's request did not arrive")
	}
	mustUnlock(t, l)

	f.wants("ok", "bob", "revocable /c/revoke")
	f.wants("ok", "bob", "lock /c/revoke 60000")
	waiter := taking(t, m.Lock)
	testkit.AwaitChildren(t, a, "/c/revoke", 2) // Curator watches its node when it has acquired
	if err := m.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := f.hear("bob revoked"); got != "revoked" {
		t.Errorf("Curator's holder said %q", got)
	}
	f.wants("ok", "bob", "unlock /c/revoke")
	mustUnlock(t, <-waiter)
}
