//go:build interop

package lock_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/foreign"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
)

// threads is a program whose threads act on commands with another library, each on its
// own commands in their order. A command and its answer begin with the thread's name.
type threads struct {
	testing.TB
	mu      sync.Mutex // held while a command is written
	program *foreign.Program
	answers map[string]chan string
}

// threadNames are the names of the threads. The answer "revoked" comes without a command
// and has a channel for itself.
var threadNames = []string{"ann", "bob", "cleo"}

func startThreads(t *testing.T, program *foreign.Program) *threads {
	t.Helper()
	f := &threads{TB: t, program: program, answers: make(map[string]chan string)}
	for _, name := range threadNames {
		f.answers[name], f.answers[name+" revoked"] = make(chan string, 10), make(chan string, 10)
	}
	var reader sync.WaitGroup
	reader.Go(func() {
		for line := range program.Lines() {
			name, answer, _ := strings.Cut(line, " ")
			if answer == "revoked" {
				name += " revoked"
			}
			f.answers[name] <- answer
		}
		for _, c := range f.answers {
			close(c)
		}
	})
	t.Cleanup(func() {
		program.CloseInput()
		reader.Wait()
	})
	return f
}

// ask sends a command to a thread and returns its answer.
func (f *threads) ask(name, format string, args ...any) string {
	f.Helper()
	f.mu.Lock()
	err := f.program.Send(name + " " + fmt.Sprintf(format, args...))
	f.mu.Unlock()
	if err != nil {
		f.Error(err)
	}
	return f.answer(name)
}

func (f *threads) answer(name string) string {
	f.Helper()
	select {
	case answer := <-f.answers[name]:
		return answer
	case <-time.After(3 * time.Minute):
		f.Errorf("%s does not answer", name)
		return ""
	}
}

// wants sends a command to a thread and checks the answer.
func (f *threads) wants(want, name, format string, args ...any) {
	f.Helper()
	if got := f.ask(name, format, args...); got != want {
		f.Errorf("%s: %s: %q, want %q", name, fmt.Sprintf(format, args...), got, want)
	}
}

// secondSession connects a second session.
func secondSession(t *testing.T, servers string) *session.Session {
	t.Helper()
	s, err := session.Connect(testkit.Within(t, 3*time.Minute), servers)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// resource is owned alternately by contenders of both libraries. It is in use only
// between an acquisition and a release that this process observed.
type resource struct {
	testing.TB
	mu    sync.Mutex
	limit int
	inUse int
	uses  int
}

// use takes a share for a moment. It fails the test if more is in use than the limit.
func (r *resource) use(who string, share int) {
	r.mu.Lock()
	r.uses++
	if r.inUse += share; r.inUse > r.limit {
		r.Errorf("%s owned beside another", who)
	}
	r.mu.Unlock()
	time.Sleep(2 * time.Millisecond)
	r.mu.Lock()
	r.inUse -= share
	r.mu.Unlock()
}

// acquireRepeatedly lets a thread of the other library own the resource n times.
func (f *threads) acquireRepeatedly(r *resource, n int, name, acquire, release string, share int) {
	for range n {
		f.wants("ok", name, "%s", acquire)
		r.use(name, share)
		f.wants("ok", name, "%s", release)
	}
}

// acquireRepeatedly lets this library own the resource n times.
func (r *resource) acquireRepeatedly(n int, acquire func(context.Context) (*lock.Lease, error), share int) {
	for range n {
		l := take(r, acquire)
		r.use("this library", share)
		mustUnlock(r, l)
	}
}

const repeats = 8

func TestCurator(t *testing.T) {
	program := foreign.Compile(t, "testdata/interop/Locks.java")
	foreign.EachServer(t, func(t *testing.T, a *session.Session, servers string) {
		f := startThreads(t, program.Start(t, servers))
		b := secondSession(t, servers)
		t.Run("mutex", func(t *testing.T) { mutexWithCurator(t, f, a, b) })
		t.Run("readers and writers", func(t *testing.T) { readersWithCurator(t, f, a, b) })
		t.Run("downgrade", func(t *testing.T) { downgradeWithCurator(t, f, a) })
		t.Run("semaphore", func(t *testing.T) { semaphoreWithCurator(t, f, a, b) })
		t.Run("revocation", func(t *testing.T) { revocationWithCurator(t, f, a) })
	})
}

func mutexWithCurator(t *testing.T, f *threads, a, b *session.Session) {
	res := &resource{TB: t, limit: 1}
	var all sync.WaitGroup
	all.Go(func() { f.acquireRepeatedly(res, repeats, "ann", "lock /c/mutex 60000", "unlock /c/mutex", 1) })
	all.Go(func() { f.acquireRepeatedly(res, repeats, "bob", "lock /c/mutex 60000", "unlock /c/mutex", 1) })
	all.Go(func() { res.acquireRepeatedly(repeats, lock.New(a, "/c/mutex").Lock, 1) })
	all.Go(func() { res.acquireRepeatedly(repeats, lock.New(b, "/c/mutex").Lock, 1) })
	all.Wait()
	l := take(t, lock.New(a, "/c/mutex").Lock)
	f.wants("no", "ann", "lock /c/mutex 200")
	mustUnlock(t, l)
	f.wants("ok", "ann", "lock /c/mutex 60000")
	refused(t, "TryLock of what Curator holds", lock.New(a, "/c/mutex").TryLock)
	f.wants("ok", "ann", "unlock /c/mutex")
}

func readersWithCurator(t *testing.T, f *threads, a, b *session.Session) {
	res := &resource{TB: t, limit: manyReaders}
	ma, mb := lock.NewRW(a, "/c/rw"), lock.NewRW(b, "/c/rw")
	var all sync.WaitGroup
	all.Go(func() { f.acquireRepeatedly(res, repeats, "ann", "read /c/rw 60000", "unread /c/rw", 1) })
	all.Go(func() { f.acquireRepeatedly(res, repeats, "bob", "write /c/rw 60000", "unwrite /c/rw", manyReaders) })
	all.Go(func() { f.acquireRepeatedly(res, repeats, "cleo", "read /c/rw 60000", "unread /c/rw", 1) })
	all.Go(func() { res.acquireRepeatedly(repeats, ma.RLock, 1) })
	all.Go(func() { res.acquireRepeatedly(repeats, mb.RLock, 1) })
	all.Go(func() { res.acquireRepeatedly(repeats, ma.Lock, manyReaders) })
	all.Go(func() {
		for range repeats {
			w := take(t, mb.Lock)
			res.use("this library", manyReaders)
			r, err := w.Downgrade(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			res.use("this library, downgraded,", 1)
			mustUnlock(t, r)
		}
	})
	all.Wait()
	if res.uses < 8*repeats {
		t.Errorf("only %d uses", res.uses)
	}
}

// downgradeWithCurator lets writers of both libraries become readers while a writer of
// the other library waits.
func downgradeWithCurator(t *testing.T, f *threads, a *session.Session) {
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

	// A reader of the tested version, 5.4, joins the end of the line, so a writer ahead of
	// it would acquire the lock first. TestReaderComesInTheWritersPlace plays newer
	// versions.
	f.wants("ok", "ann", "read /c/down 60000")
	f.wants("ok", "ann", "unwrite /c/down")
	next := taking(t, m.Lock)
	testkit.AwaitChildren(t, a, "/c/down", 2)
	f.wants("no", "bob", "read /c/down 300")
	waits(t, "our writer beside Curator's downgraded one", next)
	f.wants("ok", "ann", "unread /c/down")
	mustUnlock(t, <-next)
}

func semaphoreWithCurator(t *testing.T, f *threads, a, b *session.Session) {
	res := &resource{TB: t, limit: 3}
	ma, mb := lock.NewSemaphore(a, "/c/sem", 3), lock.NewSemaphore(b, "/c/sem", 3)
	var all sync.WaitGroup
	for _, who := range threadNames {
		all.Go(func() { f.acquireRepeatedly(res, repeats, who, "acquire /c/sem 3 60000", "return", 1) })
	}
	all.Go(func() { res.acquireRepeatedly(repeats, ma.Acquire, 1) })
	all.Go(func() { res.acquireRepeatedly(repeats, several(mb, 2), 2) })
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

func revocationWithCurator(t *testing.T, f *threads, a *session.Session) {
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
	if got := f.answer("bob revoked"); got != "revoked" {
		t.Errorf("Curator's holder said %q", got)
	}
	f.wants("ok", "bob", "unlock /c/revoke")
	mustUnlock(t, <-waiter)
}
