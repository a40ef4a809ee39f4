package naming_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

const workers = "/app/workers"

func TestSlots(t *testing.T) {
	target := zktest.Open(t)
	sa := target.Session(t)
	a := naming.NewSlots(sa, workers, 2, naming.WithID("a"))
	b := naming.NewSlots(target.Session(t), workers, 2, naming.WithID("b"))
	first, second := mustAcquire(t, a), mustAcquire(t, b)
	if first.Number != 0 || second.Number != 1 {
		t.Errorf("numbers %d and %d", first.Number, second.Number)
	}
	if second.Token() <= first.Token() || first.Err() != nil {
		t.Errorf("tokens %v and %v, Err %v", first.Token(), second.Token(), first.Err())
	}
	if err := sa.Sync(t.Context(), workers); err != nil { // Holders reads from the server of its session
		t.Fatal(err)
	}
	holders, err := a.Holders(t.Context())
	if err != nil || len(holders) != 2 || holders[0].String() != "0: a" || holders[1].ID != "b" ||
		holders[1].Token != second.Token() || holders[0].Session == holders[1].Session {
		t.Errorf("holders %+v, %v", holders, err)
	}
	_, err = b.TryAcquire(t.Context())
	testkit.WantError(t, err, naming.ErrTaken)

	next := make(chan *naming.Slot)
	go func() { next <- mustAcquire(t, b) }()
	mustRelease(t, first)
	testkit.WantError(t, first.Err(), naming.ErrReleased)
	testkit.WantError(t, first.Release(t.Context()), naming.ErrReleased)
	third := <-next
	if third.Number != 0 || third.Token() <= first.Token() {
		t.Errorf("number %d with token %v after %v", third.Number, third.Token(), first.Token())
	}
	mustRelease(t, second)
	again, err := a.TryAcquire(t.Context())
	if err != nil || again.Number != 1 {
		t.Fatalf("TryAcquire with a free number: %v, %v", again, err)
	}
	mustRelease(t, again)
	mustRelease(t, third)
	if n := target.Ephemerals(t); n > 0 {
		t.Errorf("%d nodes are left", n)
	}
}

// Waiters are served in the order of their arrival.
func TestSlotsAreFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		held := mustAcquire(t, naming.NewSlots(srv.Session(t), workers, 1))
		var mu sync.Mutex
		var order []int
		var all sync.WaitGroup
		for i := range 5 {
			p := naming.NewSlots(srv.Session(t), workers, 1)
			all.Go(func() {
				s := mustAcquire(t, p)
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				mustRelease(t, s)
			})
			time.Sleep(time.Second)
		}
		mustRelease(t, held)
		all.Wait()
		if !slices.IsSorted(order) {
			t.Errorf("served in the order %v", order)
		}
	})
}

// Foreign children, and numbers that a former configuration had lent, are no
// hindrance.
func TestSlotsForeignNodes(t *testing.T) {
	s := zktest.Open(t).Session(t)
	for _, name := range []string{"x", "00", "-1", "+0", "1", "99", "2 "} {
		testkit.Create(t, s, workers+"/"+name, "theirs", session.Parents())
	}
	p := naming.NewSlots(s, workers, 3)
	a, b := mustAcquire(t, p), mustAcquire(t, p)
	if a.Number != 0 || b.Number != 2 {
		t.Errorf("numbers %d and %d", a.Number, b.Number)
	}
	_, err := p.TryAcquire(t.Context())
	testkit.WantError(t, err, naming.ErrTaken)
	holders, err := p.Holders(t.Context())
	var numbers []int
	for _, h := range holders {
		numbers = append(numbers, h.Number)
	}
	if diff := cmp.Diff([]int{0, 1, 2, 99}, numbers); diff != "" || err != nil {
		t.Errorf("%s, %v", diff, err)
	}
}

func TestSlotsErrors(t *testing.T) {
	s := zktest.Open(t).Session(t)
	bad := naming.NewSlots(s, "no slash", 1)
	_, err := bad.Acquire(t.Context())
	testkit.WantError(t, err, session.ErrInvalid)
	_, err = bad.TryAcquire(t.Context())
	testkit.WantError(t, err, session.ErrInvalid)
	if h, err := naming.NewSlots(s, "/absent", 1).Holders(t.Context()); len(h) > 0 || err != nil {
		t.Errorf("holders of what nobody uses: %v, %v", h, err)
	}
	if _, _, err := s.Create(t.Context(), "/ro", nil, session.ACLs(session.ACL{Perms: session.PermRead, Scheme: "world", ID: "anyone"})); err != nil {
		t.Fatal(err)
	}
	_, err = naming.NewSlots(s, "/ro", 1).Acquire(t.Context())
	testkit.WantError(t, err, session.ErrNoAuth)
	for _, n := range []int{0, -1} {
		_, err := naming.NewSlots(s, workers, n).Acquire(t.Context())
		testkit.WantError(t, err, session.ErrInvalid)
	}
}

// holdSlot holds a slot for a second, with s's owners keeping watch over its number.
func holdSlot(s *faulttable.Run, who string, slot *naming.Slot) {
	s.Owners.Begin(who, slot.Token(), slot.Context())
	select {
	case <-time.After(time.Second):
	case <-slot.Context().Done():
	}
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	if err := slot.Release(ctx); err != nil && !errors.Is(err, naming.ErrLost) {
		s.Errorf("Release of %s: %v", who, err)
	}
}

// No number is held by two, whatever happens to any two requests.
func TestFaultsSlots(t *testing.T) {
	faulttable.Sample(t, 11, func(s *faulttable.Run) {
		ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
		defer cancel()
		var all sync.WaitGroup
		for who, sess := range map[string]*session.Session{"faulty": s.Faulty, "healthy": s.Healthy} {
			all.Go(func() {
				slot, err := naming.NewSlots(sess, workers, 1).Acquire(ctx)
				if err != nil {
					s.Errorf("Acquire of %s: %v", who, err)
					return
				}
				holdSlot(s, who, slot)
			})
			time.Sleep(time.Millisecond)
		}
		all.Wait()
	})
}

func TestFaultsTryAcquire(t *testing.T) {
	faulttable.Sample(t, 11, func(s *faulttable.Run) {
		ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
		defer cancel()
		held, err := naming.NewSlots(s.Healthy, workers, 1).Acquire(ctx)
		if err != nil {
			s.Fatal(err)
		}
		p := naming.NewSlots(s.Faulty, workers, 1)
		if _, err := p.TryAcquire(ctx); !errors.Is(err, naming.ErrTaken) {
			s.Errorf("TryAcquire of what is held: %v", err)
		}
		holdSlot(s, "healthy", held)
		time.Sleep(20 * time.Second)
		slot, err := p.TryAcquire(ctx)
		if err != nil {
			s.Errorf("TryAcquire of what is free: %v", err)
			return
		}
		holdSlot(s, "faulty", slot)
	})
}

func TestFaultsSlotsCanceled(t *testing.T) {
	faulttable.Sample(t, 11, func(s *faulttable.Run) {
		held, err := naming.NewSlots(s.Healthy, workers, 1).Acquire(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if _, err := naming.NewSlots(s.Faulty, workers, 1).Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("Acquire: %v", err)
		}
		if d := time.Since(start); d > time.Second {
			s.Errorf("Acquire with a context of one second took %v", d)
		}
		holdSlot(s, "healthy", held)
	})
}

// A slot is lost when the session expires, when its node is deleted, and, if the
// holder is disconnected, before another holder can get it. Each time its context is
// done.
func TestSlotLost(t *testing.T) {
	tests := map[string]func(*testing.T, *zktest.Server, *session.Session, *session.Session){
		"expired": func(t *testing.T, srv *zktest.Server, holder, _ *session.Session) { srv.Expire(holder.Status().ID) },
		"removed": func(t *testing.T, _ *zktest.Server, _, other *session.Session) {
			if err := other.Delete(t.Context(), workers+"/0", session.AnyVersion); err != nil {
				t.Error(err)
			}
		},
		"cut off":  func(t *testing.T, srv *zktest.Server, holder, _ *session.Session) { srv.Partition(holder.Status().ID) },
		"isolated": func(t *testing.T, srv *zktest.Server, holder, _ *session.Session) { srv.Isolate(holder.Status().ID) },
		"closed":   func(t *testing.T, _ *zktest.Server, holder, _ *session.Session) { holder.Close(t.Context()) },
	}
	for name, lose := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				a, b := srv.Session(t), srv.Session(t)
				held := mustAcquire(t, naming.NewSlots(a, workers, 1))
				var told time.Time
				context.AfterFunc(held.Context(), func() { told = time.Now() })
				lose(t, srv, a, b)
				next := mustAcquire(t, naming.NewSlots(b, workers, 1))
				synctest.Wait()
				if name == "expired" { // which no clock can foretell
					testkit.AwaitDone(t, held.Context())
				} else if told.IsZero() {
					t.Fatal("the next holds the number, and the first has not been told")
				}
				testkit.WantError(t, held.Err(), naming.ErrLost)
				if next.Token() <= held.Token() {
					t.Errorf("token %v came after %v", next.Token(), held.Token())
				}
			})
		})
	}
}

// Curator's fault 3.24: waits that time out leave their watches behind.
func TestSlotsTimeoutsLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		p := naming.NewSlots(s, workers, 1)
		held := mustAcquire(t, p)
		time.Sleep(time.Second)
		before := len(srv.Watches())
		for range 200 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			_, err := p.Acquire(ctx)
			cancel()
			testkit.WantError(t, err, context.DeadlineExceeded)
			_, err = p.TryAcquire(t.Context())
			testkit.WantError(t, err, naming.ErrTaken)
		}
		time.Sleep(time.Second)
		if after := len(srv.Watches()); after != before {
			t.Errorf("%d watches before, %d after: %v", before, after, srv.Watches())
		}
		mustRelease(t, held)
	})
}

// However many clients acquire and release, a number has one holder at a time.
func TestSlotsUnderChurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		const n = 3
		var mu sync.Mutex
		held := make(map[int]string)
		var all sync.WaitGroup
		for i := range 8 {
			s := srv.Session(t)
			all.Go(func() {
				for k := range 10 {
					slot := mustAcquire(t, naming.NewSlots(s, workers, n))
					mu.Lock()
					if other, taken := held[slot.Number]; taken {
						t.Errorf("%d is held by %s as well", slot.Number, other)
					}
					held[slot.Number] = fmt.Sprint(i, k)
					mu.Unlock()
					time.Sleep(time.Duration(i*k) * time.Millisecond)
					mu.Lock()
					delete(held, slot.Number)
					mu.Unlock()
					mustRelease(t, slot)
				}
			})
		}
		all.Wait()
	})
}

// TryAcquire never waits for a number, also if one becomes free for which others are
// waiting in line.
func TestTryAcquireBesideWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b, c := srv.Session(t), srv.Session(t), srv.Session(t)
		held := mustAcquire(t, naming.NewSlots(a, workers, 1))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for range 2 {
			go naming.NewSlots(b, workers, 1).Acquire(ctx)
			synctest.Wait()
		}
		// The first in line is slow to take the number that has become free.
		srv.Inject(zktest.Rule{Op: "create2", Path: workers + "/0", Session: b.Status().ID, Nth: 1, Delay: time.Second})
		mustRelease(t, held)
		start := time.Now()
		_, err := naming.NewSlots(c, workers, 1).TryAcquire(testkit.Within(t, time.Minute))
		if !errors.Is(err, naming.ErrTaken) || time.Since(start) > 2*time.Second {
			t.Errorf("TryAcquire: %v after %v", err, time.Since(start))
		}
	})
}

// A transaction that a slot guards fails once the number is given back.
func TestSlotGuard(t *testing.T) {
	s := zktest.Open(t).Session(t)
	slot := mustAcquire(t, naming.NewSlots(s, workers, 2))
	if _, err := s.Txn(t.Context(), slot.Guards()...); err != nil {
		t.Error(err)
	}
	mustRelease(t, slot)
	_, err := s.Txn(t.Context(), slot.Guards()...)
	testkit.WantError(t, err, session.ErrNoNode)
}

// A free number costs a list and a create.
func TestSlotsRoundTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		p := naming.NewSlots(srv.Session(t), workers, 3)
		mustAcquire(t, p) // creates the parents
		synctest.Wait()
		srv.ResetRequests()
		mustAcquire(t, p)
		var ops []string
		for _, r := range srv.Requests() {
			ops = append(ops, r.Op)
		}
		if diff := cmp.Diff([]string{"getChildren2", "create2"}, ops[:min(2, len(ops))]); diff != "" || len(ops) > 3 { // and a watch
			t.Errorf("Acquire sent %v", ops)
		}
	})
}
