package lock_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file that need no virtual time run on the servers that ZKTEST
// selects.

func enter(t testing.TB, f func(context.Context) (*lock.Place, error)) *lock.Place {
	t.Helper()
	p, err := f(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func position(t testing.TB, p *lock.Place, want int) {
	t.Helper()
	if n, err := p.Position(t.Context()); err != nil || n != want {
		t.Errorf("the position is %d (%v), and should be %d", n, err, want)
	}
}

func leave(t testing.TB, p *lock.Place) {
	t.Helper()
	if err := p.Leave(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestPlace(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	m, far := lock.New(s, path), lock.New(target.Session(t), path)
	first, second, third := enter(t, m.Enter), enter(t, far.Enter), enter(t, m.Enter)
	position(t, first, 0)
	position(t, second, 1)
	position(t, third, 2)
	leave(t, second)
	if err := s.Sync(t.Context(), "/"); err != nil { // the other session may use another server
		t.Fatal(err)
	}
	position(t, third, 1)
	l := take(t, first.Lock)
	position(t, first, 0)
	position(t, third, 1)
	next := taking(t, third.Lock)
	leave(t, first) // does nothing
	if err := l.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	waits(t, "the third", next)
	mustUnlock(t, l)
	mustUnlock(t, <-next)
	for who, p := range map[string]*lock.Place{"a place that became a lease": first, "a place that was left": second} {
		if _, err := p.Lock(t.Context()); !errors.Is(err, lock.ErrReleased) {
			t.Errorf("Lock of %s: %v", who, err)
		}
		leave(t, p)
	}
	if _, err := second.Position(t.Context()); !errors.Is(err, lock.ErrReleased) {
		t.Errorf("Position of a place that was left: %v", err)
	}
	testkit.NothingLeft(t, target, s)
}

// The position of a reader counts the writers ahead of it.
func TestPlaceOfReader(t *testing.T) {
	s := zktest.Open(t).Session(t)
	m := lock.NewRW(s, path)
	r := take(t, m.RLock)
	reader, writer, last := enter(t, m.REnter), enter(t, m.Enter), enter(t, m.REnter)
	position(t, reader, 0)
	position(t, writer, 2)
	position(t, last, 1)
	mustUnlock(t, r)
	mustUnlock(t, take(t, reader.Lock))
	w := take(t, writer.Lock)
	d, err := w.Downgrade(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mustUnlock(t, take(t, last.Lock))
	mustUnlock(t, d)
}

// The place is kept if the context of a wait ends.
func TestPlaceIsKept(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	m := lock.New(s, path)
	l := take(t, m.Lock)
	p := enter(t, m.Enter)
	behind := enter(t, m.Enter)
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() {
			_, err := p.Lock(ctx)
			failed <- err
		}()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("Lock: %v", err)
		}
		position(t, p, 1)
	}
	mustUnlock(t, l)
	l = take(t, p.Lock)
	position(t, behind, 1)
	mustUnlock(t, l)
	leave(t, behind)
	testkit.NothingLeft(t, target, s)
}

func TestLeaveEndsLock(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	m := lock.New(s, path)
	l := take(t, m.Lock)
	p := enter(t, m.Enter)
	failed := make(chan error)
	before := goleak.IgnoreCurrent()
	for range 2 {
		go func() {
			_, err := p.Lock(t.Context())
			failed <- err
		}()
	}
	leave(t, p)
	for range 2 {
		if err := <-failed; !errors.Is(err, lock.ErrReleased) {
			t.Errorf("Lock: %v", err)
		}
	}
	goleak.VerifyNone(t, before)
	mustUnlock(t, l)
	testkit.NothingLeft(t, target, s)
}

// If a place's node was deleted while no call was in progress, Lock does not own with
// that node.
func TestPlaceWasDeleted(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	m := lock.New(s, path)
	p := enter(t, m.Enter)
	remove := func() {
		t.Helper()
		cs, err := m.Contenders(t.Context())
		if err != nil || len(cs) == 0 {
			t.Fatal(cs, err)
		}
		if err := s.Delete(t.Context(), cs[0].Path, session.AnyVersion); err != nil {
			t.Fatal(err)
		}
	}
	remove()
	rival := take(t, m.Lock)
	position(t, p, 1) // at the end
	refused(t, "TryLock of a lock with two in line", m.TryLock)
	next := taking(t, p.Lock)
	testkit.AwaitChildren(t, s, path, 2)
	waits(t, "the place", next)
	mustUnlock(t, rival)
	l := <-next
	if err := l.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	mustUnlock(t, l)

	p = enter(t, m.Enter)
	remove()
	l = take(t, p.Lock)
	if err := l.Verify(t.Context()); err != nil {
		t.Error(err)
	}
	mustUnlock(t, l)
	testkit.NothingLeft(t, target, s)
}

func TestPositions(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	m := lock.New(s, path)
	l := take(t, m.Lock)
	ahead := enter(t, m.Enter)
	p := enter(t, m.Enter)
	seen := make(chan int)
	go func() {
		defer close(seen)
		for n, err := range p.Positions(t.Context()) {
			if err != nil {
				t.Error(err)
			}
			seen <- n
		}
	}()
	next := taking(t, p.Lock)
	expect := func(want int) {
		t.Helper()
		if n, ok := <-seen; !ok || n != want {
			t.Errorf("position %d (%v), and should be %d", n, ok, want)
		}
	}
	expect(2)
	leave(t, ahead)
	expect(1)
	mustUnlock(t, l)
	l = <-next
	expect(0)
	if n, ok := <-seen; ok {
		t.Errorf("position %d of a place that has become a lease", n)
	}
	mustUnlock(t, l)

	// The other ends.
	l = take(t, m.Lock)
	p = enter(t, m.Enter)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var errs []error
	for n, err := range p.Positions(ctx) {
		if n != 1 {
			t.Errorf("position %d", n)
		}
		errs = append(errs, err)
		cancel()
	}
	if len(errs) != 2 || errs[0] != nil || !errors.Is(errs[1], context.Canceled) {
		t.Errorf("Positions gave %v", errs)
	}
	for range p.Positions(t.Context()) {
		break
	}
	errs = nil
	for _, err := range p.Positions(t.Context()) {
		errs = append(errs, err)
		leave(t, p)
	}
	if len(errs) != 2 || !errors.Is(errs[1], lock.ErrReleased) {
		t.Errorf("Positions gave %v", errs)
	}
	mustUnlock(t, l)
	testkit.NothingLeft(t, target, s)
}

// A line that moves fast is listed four times a second.
func TestPositionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, far := srv.Session(t), srv.Session(t)
		m := lock.New(far, path)
		const n = 100
		var ahead []*lock.Place
		for range n {
			ahead = append(ahead, enter(t, m.Enter))
		}
		p := enter(t, lock.New(s, path).Enter)
		var positions []int
		var all sync.WaitGroup
		all.Go(func() {
			for n, err := range p.Positions(t.Context()) {
				if err != nil && !errors.Is(err, lock.ErrReleased) {
					t.Error(err)
				}
				positions = append(positions, n)
			}
		})
		time.Sleep(time.Second)
		srv.ResetRequests()
		for _, a := range ahead {
			time.Sleep(20 * time.Millisecond)
			leave(t, a)
		}
		time.Sleep(time.Second)
		lists := 0
		for _, r := range srv.Requests() {
			if r.Op == "getChildren2" && r.Session == s.Status().ID {
				lists++
			}
		}
		if lists > 10 { // in two seconds, and one at the end
			t.Errorf("%d lists in two seconds", lists)
		}
		leave(t, p)
		all.Wait()
		if last := positions[len(positions)-2]; last != 0 || positions[0] != n || !slices.IsSortedFunc(positions[:len(positions)-1], func(a, b int) int { return b - a }) {
			t.Errorf("positions %v", positions)
		}
	})
}

// A place whose session expires joins the end of the line again, in whichever call
// notices it first.
func TestPlaceOutlivesItsSession(t *testing.T) {
	for name, lockFirst := range map[string]bool{"Lock": true, "Positions": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				s, far := srv.Session(t), srv.Session(t)
				m := lock.New(far, path)
				l := take(t, m.Lock)
				p := enter(t, lock.New(s, path).Enter)
				other := enter(t, m.Enter)
				next := make(<-chan *lock.Lease)
				if lockFirst {
					next = taking(t, p.Lock)
				}
				seen := make(chan int, 10)
				var all sync.WaitGroup
				all.Go(func() {
					for n, err := range p.Positions(t.Context()) {
						if err != nil {
							t.Error(err)
						}
						seen <- n
					}
				})
				time.Sleep(time.Second)
				srv.Expire(s.Status().ID)
				if first, second := <-seen, <-seen; first != 1 || second != 2 {
					t.Errorf("positions %d and %d", first, second)
				}
				leave(t, other)
				mustUnlock(t, l)
				if !lockFirst {
					next = taking(t, p.Lock)
				}
				mustUnlock(t, <-next)
				all.Wait()
			})
		})
	}
}

func TestPlaceAtBadPath(t *testing.T) {
	s := zktest.Open(t).Session(t)
	if _, err := lock.New(s, "a").Enter(t.Context()); !errors.Is(err, session.ErrInvalid) {
		t.Errorf("Enter at a bad path: %v", err)
	}
}
