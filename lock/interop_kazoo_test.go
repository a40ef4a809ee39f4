//go:build interop

package lock_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/zkrecipes/zkrecipes/internal/test/foreign"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
)

func TestKazoo(t *testing.T) {
	foreign.EachServer(t, func(t *testing.T, a *session.Session, servers string) {
		f := startThreads(t, foreign.Python(t, "testdata/interop/locks.py", servers))
		b := secondSession(t, servers)
		t.Run("mutex", func(t *testing.T) { mutexWithKazoo(t, f, a, b) })
		t.Run("readers and writers", func(t *testing.T) { readersWithKazoo(t, f, a, b) })
		t.Run("semaphore", func(t *testing.T) { semaphoreWithKazoo(t, f, a, b) })
	})
}

var kazoo = lock.WithLayout(lock.Kazoo)

func mutexWithKazoo(t *testing.T, f *threads, a, b *session.Session) {
	res := &resource{TB: t, limit: 1}
	var all sync.WaitGroup
	all.Go(func() { f.acquireRepeatedly(res, repeats, "ann", "lock /k/mutex 60000", "return", 1) })
	all.Go(func() { f.acquireRepeatedly(res, repeats, "bob", "lock /k/mutex 60000", "return", 1) })
	all.Go(func() { res.acquireRepeatedly(repeats, lock.New(a, "/k/mutex", kazoo).Lock, 1) })
	all.Go(func() { res.acquireRepeatedly(repeats, lock.New(b, "/k/mutex", kazoo).Lock, 1) })
	all.Wait()
}

// readersWithKazoo does not let Kazoo's readers wait while writers join behind them:
// the readers of the tested version, 2.8, would wait for these writers as well,
// without end.
func readersWithKazoo(t *testing.T, f *threads, a, b *session.Session) {
	res := &resource{TB: t, limit: manyReaders}
	ma, mb := lock.NewRW(a, "/k/rw", kazoo), lock.NewRW(b, "/k/rw", kazoo)
	var all sync.WaitGroup
	all.Go(func() { f.acquireRepeatedly(res, repeats, "ann", "write /k/rw 60000", "return", manyReaders) })
	all.Go(func() { f.acquireRepeatedly(res, repeats, "bob", "write /k/rw 60000", "return", manyReaders) })
	all.Go(func() { res.acquireRepeatedly(repeats, ma.RLock, 1) })
	all.Go(func() { res.acquireRepeatedly(repeats, mb.RLock, 1) })
	all.Go(func() { res.acquireRepeatedly(repeats, ma.Lock, manyReaders) })
	all.Wait()

	f.wants("ok", "ann", "read /k/rw 60000")
	r := take(t, ma.RLock)
	refused(t, "TryLock beside Kazoo's reader", ma.TryLock)
	writer := taking(t, ma.Lock)
	testkit.AwaitChildren(t, a, "/k/rw", 3)
	mustUnlock(t, r)
	waits(t, "our writer", writer)
	f.wants("ok", "ann", "return")
	w := <-writer
	f.wants("no", "ann", "read /k/rw 300")
	waiting := make(chan string)
	go func() { waiting <- f.ask("bob", "write /k/rw 60000") }()
	testkit.AwaitChildren(t, a, "/k/rw", 2)

	r, err := w.Downgrade(t.Context()) // and Kazoo's writer waits for it
	if err != nil {
		t.Fatal(err)
	}
	f.wants("no", "ann", "write /k/rw 300")
	select {
	case got := <-waiting:
		t.Errorf("Kazoo's writer beside our reader: %s", got)
	default:
	}
	mustUnlock(t, r)
	if got := <-waiting; got != "ok" {
		t.Errorf("Kazoo's writer behind our reader: %s", got)
	}
	refused(t, "TryRLock beside Kazoo's writer", mb.TryRLock)
	f.wants("ok", "bob", "return")

	w = take(t, ma.Lock)
	go func() { waiting <- f.ask("ann", "read /k/rw 60000") }()
	testkit.AwaitChildren(t, a, "/k/rw", 2)
	mustUnlock(t, w)
	if got := <-waiting; got != "ok" {
		t.Errorf("Kazoo's reader behind our writer: %s", got)
	}
	f.wants("ok", "ann", "return")
}

func semaphoreWithKazoo(t *testing.T, f *threads, a, b *session.Session) {
	res := &resource{TB: t, limit: 3}
	ma, mb := lock.NewSemaphore(a, "/k/sem", 3, kazoo), lock.NewSemaphore(b, "/k/sem", 3, kazoo)
	var all sync.WaitGroup
	for _, who := range threadNames {
		all.Go(func() { f.acquireRepeatedly(res, repeats, who, "acquire /k/sem 3 60000", "return", 1) })
	}
	all.Go(func() { res.acquireRepeatedly(repeats, ma.Acquire, 1) })
	all.Go(func() { res.acquireRepeatedly(repeats, several(mb, 2), 2) })
	all.Wait()
	l := take(t, several(ma, 3))
	f.wants("no", "ann", "acquire /k/sem 3 300")
	mustUnlock(t, l)
	f.wants("ok", "ann", "acquire /k/sem 3 60000")
	remaining(t, ma, 2)
	f.wants("ok", "ann", "return")

	// Each library finds the limit that the other has recorded.
	if got := f.ask("ann", "acquire /k/sem 4 1000"); !strings.HasPrefix(got, "ValueError: Inconsistent max leases: 3") {
		t.Errorf("Kazoo with another limit: %s", got)
	}
	f.wants("ok", "ann", "acquire /k/theirs 2 60000")
	if _, err := lock.NewSemaphore(a, "/k/theirs", 3, kazoo).TryAcquire(t.Context()); !errors.Is(err, lock.ErrLimit) {
		t.Errorf("ours with another limit than Kazoo's: %v", err)
	}
	f.wants("ok", "ann", "return")
	l = take(t, lock.NewSemaphore(a, "/k/ours", 2, kazoo).Acquire)
	if got := f.ask("ann", "acquire /k/ours 3 1000"); !strings.HasPrefix(got, "ValueError: Inconsistent max leases: 2") {
		t.Errorf("Kazoo with another limit than ours: %s", got)
	}
	mustUnlock(t, l)
}
