package lock_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file need faults or virtual time, and therefore the in-process
// server.

// The round trips that the doc comments of Semaphore state, counted on the wire.
func TestSemaphoreRoundTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		far := distance{t, 10 * time.Millisecond}
		a, b := lock.NewSemaphore(far.session(srv), permits, 3), lock.NewSemaphore(far.session(srv), permits, 3)
		mustUnlock(t, take(t, a.Acquire)) // creates the nodes and records the limit
		for _, k := range []int{1, 3} {
			var l *lock.Lease
			far.takes(3, "AcquireN of what is free", func() { l = take(t, several(a, k)) })
			far.takes(1, "Unlock", func() { mustUnlock(t, l) })
		}
		far.takes(1, "Remaining", func() { remaining(t, a, 3) })

		l := take(t, several(a, 3))
		next := taking(t, b.Acquire)
		time.Sleep(time.Second)
		srv.ResetRequests()
		far.takes(3, "a hand-off", func() { go l.Unlock(context.Background()); l = <-next })
		ops := map[string]int{}
		for _, r := range srv.Requests() {
			ops[r.Op]++
		}
		if ops["delete"] != 3 || ops["getChildren2"] > 3 || ops["multi"] != 1 {
			t.Errorf("a hand-off of three permits took the requests %v", srv.Requests())
		}
		mustUnlock(t, l)
	})
}

// Waiters for permits keep their order through outages and expired sessions, and
// holders are notified of those (Curator's faults 3.9 and 3.12).
func TestPermitsAndOutages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		ma, mb := lock.NewSemaphore(a, permits, 2), lock.NewSemaphore(b, permits, 2)
		l := take(t, several(ma, 2))
		next := taking(t, several(mb, 2))
		time.Sleep(time.Second)
		for range 5 {
			srv.Stop()
			time.Sleep(2 * time.Second)
			if err := srv.Restart(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(7 * time.Second)
		}
		if err := l.Verify(t.Context()); err != nil {
			t.Fatal(err)
		}
		waits(t, "who waits for permits", next)
		srv.Expire(b.Status().ID)
		time.Sleep(5 * time.Second)
		last := taking(t, ma.Acquire)
		time.Sleep(time.Second)
		srv.Expire(a.Status().ID)
		testkit.AwaitDone(t, l.Context())
		l = <-next
		waits(t, "who stands in line again", last)
		mustUnlock(t, l)
		mustUnlock(t, <-last)
	})
}

// Curator's fault 3.3, with permits: permits of a session that the client has given
// up, and that still lives on the server, count until they are deleted.
func TestPermitsOfAnOldSessionCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, far := srv.Session(t), srv.Session(t)
		m := lock.NewSemaphore(s, permits, 1)
		l := take(t, m.Acquire)
		old := s.Status().ID
		defer srv.Partition(old)()
		testkit.AwaitDone(t, l.Context())
		for s.Status().State != session.Connected || s.Status().ID == old {
			<-s.Changed()
		}
		if strings.Contains(srv.Tree(), "-lease-") {
			refused(t, "TryAcquire of what an old session holds", m.TryAcquire)
		} else {
			t.Error("the old session has gone")
		}
		next := take(t, m.Acquire)
		refused(t, "TryAcquire by another", lock.NewSemaphore(far, permits, 1).TryAcquire)
		mustUnlock(t, next)
	})
}

// Curator's fault 3.15, with permits.
func TestSemaphoreSequenceWraps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		m := lock.NewSemaphore(s, permits, 2)
		mustUnlock(t, take(t, m.Acquire))
		srv.JumpSequence(permits+"/leases", 1<<31-1)
		srv.JumpSequence(permits+"/locks", 1<<31-1)
		l := take(t, several(m, 2))
		if cs := mustHolders(t, m); len(cs) != 2 || !strings.Contains(srv.Tree(), "-lease--2147483648") {
			t.Fatalf("Holders: %v\n%s", cs, srv.Tree())
		}
		first := taking(t, m.Acquire)
		time.Sleep(time.Second)
		second := taking(t, several(m, 2))
		time.Sleep(time.Second)
		refused(t, "TryAcquire of what is taken", m.TryAcquire)
		mustUnlock(t, l)
		l = <-first
		waits(t, "the second", second)
		mustUnlock(t, l)
		mustUnlock(t, <-second)
	})
}
