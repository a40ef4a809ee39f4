package lock_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file that need no virtual time run on the servers that ZKTEST
// selects.

func notRevoked(t testing.TB, who string, l *lock.Lease) {
	t.Helper()
	select {
	case <-l.Revoked():
		t.Errorf("%s was asked to release", who)
	default:
	}
}

func TestRevoke(t *testing.T) {
	eachNaming(t, func(t *testing.T, naming lock.Option) {
		target := zktest.Open(t)
		s, far := target.Session(t), target.Session(t)
		m := lock.New(s, path, naming, lock.WithID("me"))
		if err := m.Revoke(t.Context()); err != nil {
			t.Errorf("Revoke without a holder: %v", err)
		}
		l := take(t, m.Lock)
		next := taking(t, m.Lock)
		testkit.AwaitChildren(t, s, path, 2)
		notRevoked(t, "the holder", l)
		if err := lock.New(far, path, naming).Revoke(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-l.Revoked()
		if err := l.Err(); err != nil {
			t.Errorf("a request has ended the lease: %v", err)
		}
		if err := l.Verify(t.Context()); err != nil {
			t.Errorf("Verify: %v", err)
		}
		if _, err := s.Txn(t.Context(), l.Guards()...); err != nil {
			t.Errorf("a guarded transaction: %v", err)
		}
		cs, err := m.Contenders(t.Context())
		if err != nil || len(cs) != 2 || !cs[0].Revoked || cs[0].ID != "" || cs[0].Token != l.Token() || cs[1].Revoked || cs[1].ID != "me" {
			t.Errorf("Contenders: %+v, %v", cs, err)
		}
		if err := m.Revoke(t.Context()); err != nil { // again
			t.Error(err)
		}
		mustUnlock(t, l)
		l = <-next
		notRevoked(t, "the next holder", l)
		if err := m.Revoke(t.Context(), cs[0]); err != nil {
			t.Errorf("Revoke of a contender that has left: %v", err)
		}
		notRevoked(t, "the next holder", l)
		mustUnlock(t, l)
		testkit.NothingLeft(t, target, s)
	})
}

// Curator's fault 3.20: a request was ignored if it arrived before the holder had read
// its own node.
func TestRevokedBeforeTheFirstRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, far := srv.Session(t), srv.Session(t)
		m := lock.New(s, path)
		mustUnlock(t, take(t, m.Lock))
		defer srv.Inject(zktest.Rule{Op: "getData", Session: s.Status().ID, Delay: time.Second})()
		l := take(t, m.Lock) // the read of its own node is in flight
		if err := lock.New(far, path).Revoke(t.Context()); err != nil {
			t.Fatal(err)
		}
		notRevoked(t, "the holder, before it could know,", l)
		<-l.Revoked()
		mustUnlock(t, l)
	})
}

// A waiter that was asked finds the request once it holds the lock, whether it was
// asked before or after it had read its node. A holder that was cut off receives it as
// well.
func TestRevokedWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, delay := range []time.Duration{0, 2 * time.Second} {
			srv := zktest.New(t)
			s, far := srv.Session(t), srv.Session(t)
			m := lock.New(far, path)
			holder := take(t, m.Lock)
			remove := srv.Inject(zktest.Rule{Op: "getData", Session: s.Status().ID, Delay: delay})
			waiter := taking(t, lock.New(s, path).Lock)
			time.Sleep(time.Second)
			cs, err := m.Contenders(t.Context())
			if err != nil || len(cs) != 2 {
				t.Fatal(cs, err)
			}
			if err := m.Revoke(t.Context(), cs[1]); err != nil {
				t.Fatal(err)
			}
			notRevoked(t, "the holder", holder)
			time.Sleep(5 * time.Second)
			mustUnlock(t, holder)
			l := <-waiter
			<-l.Revoked()
			remove()
			mustUnlock(t, l)

			l = take(t, lock.New(s, path).Lock)
			time.Sleep(time.Second)
			heal := srv.Partition(s.Status().ID)
			if err := m.Revoke(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			notRevoked(t, "one who is cut off", l)
			heal()
			<-l.Revoked()
			mustUnlock(t, l)
		}
	})
}

func TestRevokeReadersAndWriters(t *testing.T) {
	target := zktest.Open(t)
	s, far := target.Session(t), target.Session(t)
	m, other := lock.NewRW(s, path), lock.NewRW(far, path)
	w := take(t, m.Lock)
	if err := other.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-w.Revoked()
	r, err := w.Downgrade(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	<-r.Revoked() // the request was sent to the writer
	r2, r3 := take(t, other.RLock), take(t, m.RLock)
	writer := taking(t, m.Lock)
	testkit.AwaitChildren(t, s, path, 4)
	late := taking(t, other.RLock)
	testkit.AwaitChildren(t, s, path, 5)
	notRevoked(t, "a reader", r2)
	if err := m.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-r2.Revoked()
	<-r3.Revoked()
	for _, l := range []*lock.Lease{r, r2, r3} {
		mustUnlock(t, l)
	}
	w = <-writer
	notRevoked(t, "the writer behind the readers", w)
	mustUnlock(t, w)
	l := <-late
	notRevoked(t, "the reader behind the writer", l)
	mustUnlock(t, l)
}

func TestRevokePermitsAndMulti(t *testing.T) {
	target := zktest.Open(t)
	s, far := target.Session(t), target.Session(t)
	m := lock.NewSemaphore(s, permits, 5)
	one, two, three := take(t, m.Acquire), take(t, several(m, 2)), take(t, m.Acquire)
	cs := mustHolders(t, m)
	if err := lock.NewSemaphore(far, permits, 5).Revoke(t.Context(), cs[2]); err != nil { // the second of the two
		t.Fatal(err)
	}
	<-two.Revoked()
	notRevoked(t, "another holder", one)
	if cs := mustHolders(t, m); cs[1].Revoked || !cs[2].Revoked {
		t.Errorf("Holders: %+v", cs)
	}
	if err := m.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-one.Revoked()
	<-three.Revoked()
	for _, l := range []*lock.Lease{one, two, three} {
		mustUnlock(t, l)
	}

	all := mustLockAll(t, lock.NewMulti(s, several3))
	if err := lock.New(far, several3[0]).Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-all.Revoked()
	if err := all.Unlock(t.Context()); err != nil {
		t.Error(err)
	}
	testkit.NothingLeft(t, target, s)
}

func TestRevokeBadInput(t *testing.T) {
	s := zktest.Open(t).Session(t)
	if _, _, err := s.Create(t.Context(), "/app/data", []byte("precious"), session.Parents()); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"", "/app/data", "/other/x-lock-0000000000", path, path + "/garbage"} {
		c := lock.Contender{Path: p}
		for what, err := range map[string]error{
			"Mutex":     lock.New(s, path).Revoke(t.Context(), c),
			"RWMutex":   lock.NewRW(s, path).Revoke(t.Context(), c),
			"Semaphore": lock.NewSemaphore(s, permits, 1).Revoke(t.Context(), c),
		} {
			var oe *session.OpError
			if !errors.Is(err, session.ErrInvalid) || !errors.As(err, &oe) || oe.Path != p {
				t.Errorf("%s.Revoke of %q: %v", what, p, err)
			}
		}
	}
	if data, _, err := s.Get(t.Context(), "/app/data"); err != nil || string(data) != "precious" {
		t.Errorf("%q, %v", data, err)
	}
	if err := lock.New(s, "x").Revoke(t.Context()); !errors.Is(err, session.ErrInvalid) {
		t.Errorf("Revoke at a bad path: %v", err)
	}
}

// A request reaches the holder through connection losses, unless its session ends.
func TestFaultsRevoked(t *testing.T) {
	faulttable.Sample(t, 11, func(s *faulttable.Run) {
		l, err := lock.New(s.Faulty, path).Lock(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := lock.New(s.Healthy, path).Revoke(s.Context()); err != nil {
			s.Errorf("Revoke: %v", err)
		}
		select {
		case <-l.Revoked():
		case <-l.Context().Done():
		case <-time.After(time.Minute):
			s.Error("the holder was not notified")
		}
		own(s, "faulty", l)
	})
}

func TestFaultsRevoke(t *testing.T) {
	faulttable.Test(t, func(s *faulttable.Run) {
		l, err := lock.New(s.Healthy, path).Lock(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
		defer cancel()
		if err := lock.New(s.Faulty, path).Revoke(ctx); err != nil {
			s.Errorf("Revoke: %v", err)
		}
		<-l.Revoked()
		own(s, "healthy", l)
	})
}
