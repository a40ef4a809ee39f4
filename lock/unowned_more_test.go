package lock_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// TryLock that finds a node that no session owns says so; one that finds an owner does
// not.
func TestTryLockAgainstUnownedNode(t *testing.T) {
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
	if _, err := lock.New(s, path).TryLock(t.Context()); err != lock.ErrLocked {
		t.Errorf("TryLock: %v", err)
	}
	mustUnlock(t, holder)
}

// A permit that no session owns is reported by those who wait for one.
func TestWaitForUnownedPermit(t *testing.T) {
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
