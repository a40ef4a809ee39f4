package lock_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file that need no virtual time run on the servers that ZKTEST
// selects.

// The node is handed from one goroutine to the next, and after the maximal number of
// handoffs another session acquires the lock.
func TestLocalHandoff(t *testing.T) {
	target := zktest.Open(t)
	s, far := target.Session(t), target.Session(t)
	m := lock.New(s, path, lock.WithLocalHandoff(2))
	l := take(t, m.Lock)
	const n = 5
	leases := make(chan *lock.Lease)
	for range n {
		go func() { leases <- take(t, m.Lock) }()
	}
	refused(t, "TryLock beside others of the process", m.TryLock)
	rival := taking(t, lock.New(far, path).Lock)
	testkit.AwaitChildren(t, s, path, 2)
	refused(t, "TryLock of another process", lock.New(far, path).TryLock)

	node := l.Path()
	for range 2 {
		last := l
		mustUnlock(t, last)
		l = <-leases
		if l.Path() != node || l.Token() != last.Token() {
			t.Errorf("%s was not handed on: %s", node, l.Path())
		}
		if !errors.Is(last.Err(), lock.ErrReleased) || !errors.Is(last.Unlock(t.Context()), lock.ErrReleased) {
			t.Errorf("the last lease ended with %v", last.Err())
		}
		if err := l.Verify(t.Context()); err != nil {
			t.Error(err)
		}
		waits(t, "another process", rival)
	}
	mustUnlock(t, l)
	other := <-rival
	if other.Token() <= l.Token() {
		t.Errorf("token %v came after %v", other.Token(), l.Token())
	}
	select {
	case l := <-leases:
		t.Errorf("%s beside another process", l.Path())
	default:
	}
	mustUnlock(t, other)
	for range n - 2 {
		mustUnlock(t, <-leases)
	}
	mustUnlock(t, take(t, m.TryLock))
	testkit.NothingLeft(t, target, s)
}

// A caller that gives up leaves its position in the line to the next caller of its
// session.
func TestLocalHandoffOfAPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		m, far := lock.New(s, path, lock.WithLocalHandoff(10)), lock.New(srv.Session(t), path)
		rival := take(t, far.Lock)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		failed := make(chan error)
		go func() {
			_, err := m.Lock(ctx)
			failed <- err
		}()
		synctest.Wait()
		next := taking(t, m.Lock)
		synctest.Wait()
		behind := taking(t, far.Lock)
		synctest.Wait()
		cs, err := m.Contenders(t.Context())
		if err != nil || len(cs) != 3 {
			t.Fatal(cs, err)
		}
		if err := <-failed; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Lock: %v", err)
		}
		time.Sleep(time.Minute)
		mustUnlock(t, rival)
		l := <-next
		if l.Path() != cs[1].Path {
			t.Errorf("%s owns, and the place was %s", l.Path(), cs[1].Path)
		}
		synctest.Wait()
		waits(t, "who came later", behind)
		mustUnlock(t, l)
		mustUnlock(t, <-behind)
	})
}

// A lost lock is not handed on.
func TestLocalHandoffAfterALoss(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	m := lock.New(s, path, lock.WithLocalHandoff(10))
	for range 3 {
		l := take(t, m.Lock)
		next := taking(t, m.Lock)
		if err := s.Delete(t.Context(), l.Path(), session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		n := <-next
		if err := l.Unlock(t.Context()); !errors.Is(err, lock.ErrLost) {
			t.Errorf("Unlock of a lost lease: %v", err)
		}
		if err := n.Verify(t.Context()); err != nil || n.Token() <= l.Token() {
			t.Errorf("token %v came after %v (%v)", n.Token(), l.Token(), err)
		}
		mustUnlock(t, n)
	}
	testkit.NothingLeft(t, target, s)
}

func TestLocalHandoffCanceledWaits(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	m := lock.New(s, path, lock.WithLocalHandoff(3))
	l := take(t, m.Lock)
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			l, err := m.Lock(ctx)
			if err == nil {
				err = l.Unlock(context.WithoutCancel(ctx))
			}
			if err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("Lock: %v", err)
			}
		})
	}
	go cancel()
	mustUnlock(t, l)
	all.Wait()
	mustUnlock(t, take(t, m.Lock)) // the cohort has no caller left
	if err := s.Sync(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	goleak.VerifyNone(t, before)
	testkit.NothingLeft(t, target, s)
}

// Handoffs within a process take no round trip and use one node.
func TestLocalHandoffRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		far := distance{t, 10 * time.Millisecond}
		m := lock.New(far.session(srv), path, lock.WithLocalHandoff(1000))
		l := take(t, m.Lock)
		const n = 100
		var all sync.WaitGroup
		for range n {
			all.Go(func() { mustUnlock(t, take(t, m.Lock)) })
		}
		synctest.Wait()
		srv.ResetRequests()
		far.takes(1, "a hundred hand-offs and a release", func() {
			mustUnlock(t, l)
			all.Wait()
		})
		deletes := 0
		for _, r := range srv.Requests() {
			switch r.Op {
			case "delete":
				deletes++
			case "create2", "getChildren2":
				t.Errorf("a hand-off took %v", r)
			}
		}
		if deletes != 1 {
			t.Errorf("%d deletes", deletes)
		}
	})
}

func TestFaultsLocalHandoff(t *testing.T) {
	faulttable.Sample(t, 13, func(s *faulttable.Run) {
		s.Owners.EqualTokens = true
		m := lock.New(s.Faulty, path, lock.WithLocalHandoff(1))
		lockOnce := func() {
			ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
			defer cancel()
			l, err := m.Lock(ctx)
			if err != nil {
				s.Errorf("Lock: %v", err)
				return
			}
			own(s, "faulty", l)
		}
		s.Owners.Limit = 1
		runStaggered(s, lockOnce, func() { acquire(s, "healthy", s.Healthy) }, lockOnce, lockOnce)
	})
}

func TestLocalHandoffHistories(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := &history{T: t, random: rand.New(rand.NewPCG(seed, 3)), ended: seed%4 > 1}
				h.owners.EqualTokens = true
				h.play(seed%2 == 0, h.handOn)
			})
		})
	}
}

func (h *history) handOn(ctx context.Context, who string, s *session.Session) {
	m := lock.New(s, path, lock.WithLocalHandoff(2))
	for ctx.Err() == nil {
		h.pause(2 * time.Second)
		acquire := m.Lock
		if h.n(5) == 0 {
			acquire = m.TryLock
		}
		patience, cancel := context.WithTimeout(ctx, time.Duration(h.n(int(30*time.Second))))
		l, err := acquire(patience)
		cancel()
		if err != nil {
			if !errors.Is(err, lock.ErrLocked) && patience.Err() == nil {
				h.Errorf("%s: %v", who, err)
			}
			continue
		}
		h.owners.Begin(who, l.Token(), l.Context())
		h.hold(l)
		l.Unlock(ctx)
		h.countAcquired(h.n(2) == 0)
	}
}

func TestLocalHandoffBadInput(t *testing.T) {
	_, err := lock.New(zktest.Open(t).Session(t), path, lock.WithLocalHandoff(-1)).Lock(t.Context())
	if !errors.Is(err, session.ErrInvalid) {
		t.Error(err)
	}
}
