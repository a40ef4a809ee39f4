package lock_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// blocking connects, and returns a channel with the arguments of Hooks.Blocked.
func blocking(t *testing.T, target interface {
	Session(testing.TB, ...session.Option) *session.Session
}) (*session.Session, chan error) {
	told := make(chan error, 100)
	return target.Session(t, session.WithHooks(session.Hooks{Blocked: func(err error) { told <- err }})), told
}

// byHand creates an ownerless node with the name of the first contender.
func byHand(t *testing.T, s *session.Session, name string) string {
	t.Helper()
	node := session.Join(path, name)
	if _, _, err := s.Create(t.Context(), node, []byte("by hand"), session.Parents()); err != nil {
		t.Fatal(err)
	}
	return node
}

// A wait for an ownerless node reports it: in a hook, in Place.Blocked, in the error
// of the wait, and in Contenders. The wait continues when the node has been deleted.
func TestWaitForOwnerlessNode(t *testing.T) {
	target := zktest.Open(t)
	s, told := blocking(t, target)
	node := byHand(t, s, "x-lock-0000000000")
	m := lock.New(s, path)
	p := enter(t, m.Enter)
	ctx, cancel := context.WithCancelCause(t.Context())
	failed := make(chan error, 1)
	go func() {
		_, err := p.Lock(ctx)
		failed <- err
	}()
	soon, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	for p.Blocked() == nil {
		if err := s.Sync(soon, "/"); err != nil {
			t.Fatal(err)
		}
	}
	ended := errors.New("ended")
	cancel(ended)
	err := <-failed
	if !errors.Is(err, ended) || !errors.Is(err, session.ErrNoOwner) || !strings.Contains(err.Error(), node) {
		t.Errorf("Lock: %v", err)
	}
	if err := <-told; !errors.Is(err, session.ErrNoOwner) {
		t.Errorf("the hook was called with %v", err)
	}
	cs, err := m.Contenders(t.Context())
	if err != nil || len(cs) != 2 || cs[0].Path != node || cs[0].Session != 0 || cs[1].Session != s.Status().ID {
		t.Errorf("contenders %+v (%v)", cs, err)
	}
	next := taking(t, p.Lock)
	if err := s.Break(t.Context(), node, 0); err != nil {
		t.Fatal(err)
	}
	mustUnlock(t, <-next)
	if err := p.Blocked(); err != nil {
		t.Errorf("Blocked of a place that became a lease: %v", err)
	}
}

// Each wait has the reason in its error. The hook is called once for each node, also
// if a new node has the name of a deleted one.
func TestOwnerlessNodeIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, told := blocking(t, zktest.New(t))
		for n := range 2 {
			node := byHand(t, s, "x-lock-0000000000")
			for range 3 {
				ctx, cancel := context.WithCancel(t.Context())
				failed := make(chan error)
				go func() {
					_, err := lock.New(s, path).Lock(ctx)
					failed <- err
				}()
				synctest.Wait()
				cancel()
				if err := <-failed; !errors.Is(err, context.Canceled) || !errors.Is(err, session.ErrNoOwner) {
					t.Errorf("Lock: %v", err)
				}
			}
			if len(told) != n+1 {
				t.Errorf("the hook was called %d times for %d nodes", len(told), n+1)
			}
			if err := s.Break(t.Context(), node, 0); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A contender that a session owns is not reported, and readers are blocked only by
// writers.
func TestBlockedByOwnedNodesIsNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, told := blocking(t, srv)
		holder := mustLock(t, lock.New(s, path))
		p := enter(t, lock.New(s, path).Enter)
		next := taking(t, p.Lock)
		synctest.Wait()
		if err := p.Blocked(); err != nil || len(told) > 0 {
			t.Errorf("Blocked by a lease: %v, told %d times", err, len(told))
		}
		mustUnlock(t, holder)
		mustUnlock(t, <-next)

		byHand(t, s, "__READ__0000000000")
		mustUnlock(t, take(t, lock.NewRW(s, path).RLock))
		if len(told) > 0 {
			t.Errorf("a reader was told: %v", <-told)
		}
	})
}

// Detecting an ownerless node costs no request.
func TestOwnerlessNodeCostsNothing(t *testing.T) {
	requests := func(opts ...session.CreateOption) (n int) {
		synctest.Test(t, func(t *testing.T) {
			srv := zktest.New(t)
			s, other := srv.Session(t), srv.Session(t)
			if _, _, err := other.Create(t.Context(), session.Join(path, "x-lock-0000000000"), nil, append(opts, session.Parents())...); err != nil {
				t.Fatal(err)
			}
			srv.ResetRequests()
			ctx, cancel := context.WithCancel(t.Context())
			failed := make(chan error)
			go func() {
				_, err := lock.New(s, path).Lock(ctx)
				failed <- err
			}()
			synctest.Wait()
			n = len(srv.Requests())
			cancel()
			<-failed
		})
		return n
	}
	if owned, unowned := requests(session.Ephemeral()), requests(); owned != unowned || owned == 0 {
		t.Errorf("%d requests to wait for a node that a session owns, and %d for one that none does", owned, unowned)
	}
}

// The error of TryLock names an ownerless node, but not a node with an owner.
func TestTryLockAgainstOwnerlessNode(t *testing.T) {
	s, told := blocking(t, zktest.Open(t))
	node := byHand(t, s, "x-lock-0000000000")
	for name, m := range map[string]*lock.Mutex{"plain": lock.New(s, path), "handoff": lock.New(s, path, lock.WithLocalHandoff(3))} {
		_, err := m.TryLock(t.Context())
		if !errors.Is(err, lock.ErrLocked) || !errors.Is(err, session.ErrNoOwner) || !strings.Contains(err.Error(), node) {
			t.Errorf("%s: TryLock: %v", name, err)
		}
	}
	if len(told) != 1 {
		t.Errorf("the hook was called %d times", len(told))
	}
	if err := s.Break(t.Context(), node, 0); err != nil {
		t.Fatal(err)
	}
	holder := mustLock(t, lock.New(s, path))
	if _, err := lock.New(s, path).TryLock(t.Context()); !errors.Is(err, lock.ErrLocked) || errors.Is(err, session.ErrNoOwner) || !strings.Contains(err.Error(), holder.Path()) {
		t.Errorf("TryLock: %v", err)
	}
	mustUnlock(t, holder)
}

// Waiters for a permit report a permit that no session owns.
func TestWaitForOwnerlessPermit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, told := blocking(t, srv)
		m := lock.NewSemaphore(s, permits, 2)
		holder := take(t, m.Acquire)
		second := taking(t, several(m, 2))
		synctest.Wait()
		if len(told) > 0 {
			t.Errorf("told of a permit with an owner: %v", <-told)
		}
		mustUnlock(t, holder)
		mustUnlock(t, <-second)

		node := permits + "/leases/x-lease-0000000007"
		if _, _, err := s.Create(t.Context(), node, nil, session.Parents()); err != nil {
			t.Fatal(err)
		}
		if _, err := m.TryAcquireN(t.Context(), 2); !errors.Is(err, lock.ErrLocked) || !errors.Is(err, session.ErrNoOwner) || !strings.Contains(err.Error(), node) {
			t.Errorf("TryAcquireN: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() {
			_, err := m.AcquireN(ctx, 2)
			failed <- err
		}()
		synctest.Wait()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) || !errors.Is(err, session.ErrNoOwner) {
			t.Errorf("AcquireN: %v", err)
		}
		if len(told) != 1 {
			t.Errorf("the hook was called %d times", len(told))
		}
		both := taking(t, several(m, 2))
		synctest.Wait()
		if err := s.Break(t.Context(), node, 0); err != nil {
			t.Fatal(err)
		}
		mustUnlock(t, <-both)
	})
}
