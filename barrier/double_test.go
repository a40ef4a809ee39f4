package barrier_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file run on whatever ZKTEST selects.

// No member enters before all have arrived, all enter the same round, and the next
// round has another number.
func TestEnterTogether(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	type key struct{}
	ctx := context.WithValue(t.Context(), key{}, "value")
	var last session.Zxid
	for range 3 {
		var cs []<-chan entered
		for i, s := range []*session.Session{a, b, a} { // two of one session
			cs = append(cs, entering(ctx, barrier.NewDouble(s, path, 3)))
			if i < 2 {
				testkit.AwaitChildren(t, a, path, i+1)
				for _, c := range cs {
					select {
					case e := <-c:
						t.Fatalf("entered with %d of 3: %+v", i+1, e)
					default:
					}
				}
			}
		}
		var es []*barrier.Entry
		for _, c := range cs {
			es = append(es, in(t, c))
		}
		for _, e := range es {
			if e.Round() != es[0].Round() || e.Round() <= last {
				t.Errorf("round %v, of others %v, after %v", e.Round(), es[0].Round(), last)
			}
			if e.Context().Value(key{}) != "value" || e.Context().Err() != nil {
				t.Error("the entry's context is not as it should be")
			}
			if _, err := a.Txn(ctx, e.Guards()...); err != nil {
				t.Errorf("Guard of an entry: %v", err)
			}
		}
		last = es[0].Round()
		out(t, es...)
		for _, e := range es {
			if err := e.Err(); !errors.Is(err, barrier.ErrLeft) {
				t.Errorf("Err after Leave is %v", err)
			}
			if err := context.Cause(e.Context()); !errors.Is(err, barrier.ErrLeft) {
				t.Errorf("cause after Leave is %v", err)
			}
			if err := e.Leave(ctx); !errors.Is(err, barrier.ErrLeft) {
				t.Errorf("second Leave: %v", err)
			}
			if _, err := a.Txn(ctx, e.Guards()...); !errors.Is(err, session.ErrNoNode) {
				t.Errorf("Guard after Leave: %v", err)
			}
		}
	}
	nothingLeft(t, target, a, b)
}

func TestOneMember(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	for range 2 {
		out(t, in(t, entering(t.Context(), barrier.NewDouble(s, path, 1))))
	}
	nothingLeft(t, target, s)
}

// Many rounds of members who go from one to the next as fast as they can.
func TestRounds(t *testing.T) {
	target := zktest.Open(t)
	const n, rounds = 5, 10
	var ss []*session.Session
	var mu sync.Mutex
	inside := map[session.Zxid]int{}
	var all sync.WaitGroup
	for i := range n {
		if i < 3 {
			ss = append(ss, target.Session(t))
		}
		d := barrier.NewDouble(ss[i%3], path, n)
		all.Go(func() {
			var last session.Zxid
			for range rounds {
				e, err := d.Enter(t.Context())
				if err != nil {
					t.Errorf("Enter: %v", err)
					return
				}
				if e.Round() <= last {
					t.Errorf("round %v came after %v", e.Round(), last)
				}
				last = e.Round()
				mu.Lock()
				inside[last]++
				mu.Unlock()
				if err := e.Leave(t.Context()); err != nil {
					t.Errorf("Leave: %v", err)
				}
				mu.Lock()
				if inside[last] != n {
					t.Errorf("left round %v when %d of %d had entered it", last, inside[last], n)
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(inside) != rounds {
		t.Errorf("there were %d rounds", len(inside))
	}
	nothingLeft(t, target, ss...)
}

// Leave returns when the last member has left. A member that arrives in the meantime
// waits until all members have left the round.
func TestLeaveTogether(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	d := barrier.NewDouble(s, path, 3)
	cs := []<-chan entered{entering(t.Context(), d), entering(t.Context(), d), entering(t.Context(), d)}
	first, second, third := in(t, cs[0]), in(t, cs[1]), in(t, cs[2])
	if _, err := d.Enter(t.Context()); !errors.Is(err, barrier.ErrFull) {
		t.Errorf("a fourth of 3: %v", err)
	}
	left := []<-chan error{leaving(t.Context(), first), leaving(t.Context(), second)}
	testkit.AwaitChildren(t, s, path, 2) // the third and ready
	later := []<-chan entered{entering(t.Context(), d), entering(t.Context(), d)}
	testkit.AwaitChildren(t, s, path, 4)
	if _, err := d.Enter(t.Context()); !errors.Is(err, barrier.ErrFull) {
		t.Errorf("a fourth, with one of the old round: %v", err)
	}
	for _, c := range left {
		select {
		case err := <-c:
			t.Errorf("Leave returned %v while one is inside", err)
		default:
		}
	}
	if err := third.Leave(t.Context()); err != nil {
		t.Error(err)
	}
	for _, c := range left {
		if err := testkit.Receive(t, c); err != nil {
			t.Errorf("Leave: %v", err)
		}
	}
	es := []*barrier.Entry{in(t, entering(t.Context(), d)), in(t, later[0]), in(t, later[1])}
	for _, e := range es {
		if e.Round() != es[0].Round() || e.Round() <= first.Round() {
			t.Errorf("round %v, of another %v, after %v", e.Round(), es[0].Round(), first.Round())
		}
	}
	out(t, es...)
	nothingLeft(t, target, s)
}

// A member that gives up is no longer counted, and leaves nothing.
func TestCanceledEnterDoesNotCount(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	c := entering(ctx, barrier.NewDouble(a, path, 2))
	testkit.AwaitChildren(t, b, path, 1)
	cancel(enough)
	var oe *session.OpError
	if e := testkit.Receive(t, c); !errors.Is(e.err, enough) || errors.Is(e.err, session.ErrUnknown) || !errors.As(e.err, &oe) || oe.Path != path {
		t.Fatalf("Enter: %v", e.err)
	}
	nothingLeft(t, target, a, b)
	c = entering(t.Context(), barrier.NewDouble(b, path, 2))
	testkit.AwaitChildren(t, a, path, 1)
	select {
	case e := <-c:
		t.Errorf("one of 2 has entered: %+v", e)
	default:
	}
	out(t, in(t, entering(t.Context(), barrier.NewDouble(a, path, 2))), in(t, c))
	nothingLeft(t, target, a, b)
}

// When the context of Leave ends, the member has left all the same.
func TestCanceledLeave(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	c := entering(t.Context(), barrier.NewDouble(a, path, 2))
	testkit.AwaitChildren(t, b, path, 1)
	eb := in(t, entering(t.Context(), barrier.NewDouble(b, path, 2)))
	ea := in(t, c)
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	left := leaving(ctx, ea)
	testkit.AwaitChildren(t, b, path, 2) // the other and ready
	cancel(enough)
	var oe *session.OpError
	if err := testkit.Receive(t, left); !errors.Is(err, enough) || !errors.As(err, &oe) {
		t.Errorf("Leave: %v", err)
	}
	if err := ea.Err(); !errors.Is(err, barrier.ErrLeft) {
		t.Errorf("Err is %v", err)
	}
	out(t, eb)
	nothingLeft(t, target, a, b)
}

// The node of a waiting member is deleted, or the whole path: the member creates it
// again.
func TestNodeDeletedWhileWaiting(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	c := entering(t.Context(), barrier.NewDouble(a, path, 2))
	testkit.AwaitChildren(t, b, path, 1)
	for i := range 4 {
		names := testkit.Children(t, b, path)
		ops := []session.Op{session.OpDelete(path+"/"+names[0], session.AnyVersion)}
		if i%2 == 1 {
			waits(t, target, a) // it knows then that the path went untouched
			ops = append(ops, session.OpDelete(path, session.AnyVersion))
		}
		if _, err := b.Txn(t.Context(), ops...); err != nil {
			t.Fatal(err)
		}
		for now := names; len(now) != 1 || now[0] == names[0]; now = testkit.Children(t, b, path) {
		}
	}
	out(t, in(t, entering(t.Context(), barrier.NewDouble(b, path, 2))), in(t, c))
	nothingLeft(t, target, a, b)
}

// The node of a member in a round is deleted: the member is notified, and the others
// do not wait for it when they leave.
func TestNodeDeletedInRound(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	c := entering(t.Context(), barrier.NewDouble(a, path, 2))
	testkit.AwaitChildren(t, b, path, 1)
	eb := in(t, entering(t.Context(), barrier.NewDouble(b, path, 2)))
	ea := in(t, c)
	left := leaving(t.Context(), eb)
	testkit.AwaitChildren(t, b, path, 2) // the other and ready
	if err := b.Delete(t.Context(), ea.Path(), session.AnyVersion); err != nil {
		t.Fatal(err)
	}
	testkit.AwaitDoneSoon(t, ea.Context())
	if err := ea.Err(); !errors.Is(err, barrier.ErrLost) || !errors.Is(err, session.ErrNoNode) {
		t.Errorf("Err is %v", err)
	}
	if err := ea.Leave(t.Context()); !errors.Is(err, barrier.ErrLost) {
		t.Errorf("Leave: %v", err)
	}
	if err := testkit.Receive(t, left); err != nil {
		t.Errorf("Leave of the other: %v", err)
	}
	nothingLeft(t, target, a, b)
}

// Curator's fault 3.24: waits that time out leave no watch on the server.
func TestCanceledWaitsLeaveNothing(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	b, d := barrier.New(s, "/app/up"), barrier.NewDouble(s, path, 400)
	if err := b.Raise(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := goleak.IgnoreCurrent()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 200 {
		all.Go(func() {
			if _, err := d.Enter(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, session.ErrUnknown) {
				t.Errorf("Enter: %v", err)
			}
		})
		all.Go(func() {
			if err := b.Wait(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("Wait: %v", err)
			}
		})
	}
	testkit.AwaitChildren(t, s, path, 200)
	cancel()
	all.Wait()
	goleak.VerifyNone(t, before)
	if err := b.Lower(t.Context()); err != nil {
		t.Error(err)
	}
	nothingLeft(t, target, s)
}
