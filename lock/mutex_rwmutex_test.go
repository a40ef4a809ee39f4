package lock_test

import (
	"testing"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A Mutex takes part as a writer in an RWMutex at the same path: neither owns while
// the other does.
func TestMutexAndReadersExcludeEachOther(t *testing.T) {
	eachNaming(t, func(t *testing.T, naming lock.Option) {
		target := zktest.Open(t)
		s := target.Session(t)
		m, rw := lock.New(s, path, naming), lock.NewRW(target.Session(t), path, naming)

		r1, r2 := take(t, rw.RLock), take(t, rw.RLock)
		refused(t, "TryLock beside readers", m.TryLock)
		owner := taking(t, m.Lock)
		testkit.AwaitChildren(t, s, path, 3)
		refused(t, "TryRLock behind a Mutex that waits", rw.TryRLock)
		mustUnlock(t, r1)
		waits(t, "the mutex", owner)
		mustUnlock(t, r2)
		l := <-owner
		refused(t, "TryRLock beside a Mutex", rw.TryRLock)
		refused(t, "TryLock of a writer beside a Mutex", rw.TryLock)
		writer := taking(t, rw.Lock)
		testkit.AwaitChildren(t, s, path, 2)
		mustUnlock(t, l)
		w := <-writer

		// The writer becomes a reader while the mutex waits.
		owner = taking(t, m.Lock)
		testkit.AwaitChildren(t, s, path, 2)
		r, err := w.Downgrade(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Verify(t.Context()); err != nil {
			t.Error(err)
		}
		waits(t, "the mutex behind a downgraded writer", owner)
		mustUnlock(t, r)
		mustUnlock(t, <-owner)
	})
}
