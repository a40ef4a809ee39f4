package lock_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The round trips of calls that TestRoundTrips does not make, as docs/guarantees.md
// states them.
func TestRoundTripsOfOtherCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		far := distance{t, 10 * time.Millisecond}
		a, b := far.session(srv), far.session(srv)
		var l *lock.Lease
		far.takes(3, "the first lock at a path", func() { l = mustLock(t, lock.New(a, path)) })
		far.takes(1, "Verify", func() {
			if err := l.Verify(t.Context()); err != nil {
				t.Error(err)
			}
		})
		txn := func() {
			if _, err := l.Txn(t.Context(), session.OpCreate("/data-", nil, session.Sequential())); err != nil {
				t.Error(err)
			}
		}
		txn() // creates the receipt
		far.takes(1, "Txn", txn)
		far.takes(2, "TryLock of a held lock", func() { refused(t, "TryLock", lock.New(b, path).TryLock) })
		time.Sleep(time.Second)
		srv.ResetRequests()
		next := taking(t, lock.New(b, path).Lock)
		time.Sleep(50 * time.Millisecond)
		expectRequests(t, srv, "create2", "getChildren2", "getData", "getData")
		mustUnlock(t, l)
		mustUnlock(t, <-next)
	})
}
