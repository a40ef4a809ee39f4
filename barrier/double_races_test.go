package barrier_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Whatever a member has seen when it gives up, either all members agree that it is in
// the round, or that it is not.
func TestCancelAtAnyMoment(t *testing.T) {
	outcomes := map[bool]int{}
	for _, whose := range []string{"its own", "the other's"} {
		for n := 1; n <= 12; n++ {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t, zktest.WithTick(tick))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				a, b := testkit.NewCallbackSession(t, srv), testkit.NewCallbackSession(t, srv)
				m := a
				if whose == "the other's" {
					m = b
				}
				m.AtReply(n, cancel)
				ca := member(ctx, a.Session, 2)
				synctest.Wait()
				cb := member(t.Context(), b.Session, 2)
				synctest.Wait()
				m.AtReply(0, nil)
				select {
				case eb := <-cb:
					outcomes[true]++
					out(t, in(t, ca), eb.Entry)
				default:
					outcomes[false]++
					if ea := testkit.Receive(t, ca); !errors.Is(ea.err, context.Canceled) || errors.Is(ea.err, session.ErrUnknown) {
						t.Errorf("canceled at %s reply %d: %v", whose, n, ea.err)
					}
					out(t, in(t, member(t.Context(), a.Session, 2)), in(t, cb))
				}
				empty(t, srv)
			})
		}
	}
	if outcomes[true] < 5 || outcomes[false] < 5 {
		t.Errorf("outcomes: %v", outcomes)
	}
}

// Leave may be canceled at any moment: the member has left, and the others do not
// wait for it.
func TestCancelLeaveAtAnyMoment(t *testing.T) {
	for n := 0; n <= 5; n++ {
		synctest.Test(t, func(t *testing.T) {
			srv := zktest.New(t, zktest.WithTick(tick))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			a, b := testkit.NewCallbackSession(t, srv), srv.Session(t)
			ca, cb := member(t.Context(), a.Session, 2), member(t.Context(), b, 2)
			ea, eb := in(t, ca), in(t, cb)
			synctest.Wait()
			a.AtReply(n, cancel)
			if n == 0 {
				cancel()
			}
			left := leaving(ctx, ea)
			synctest.Wait()
			if !errors.Is(ea.Err(), barrier.ErrLeft) {
				t.Errorf("canceled at reply %d: Err is %v", n, ea.Err())
			}
			out(t, eb)
			if err := testkit.Receive(t, left); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("canceled at reply %d: %v", n, err)
			}
			empty(t, srv)
		})
	}
}

// So may Wait, and leaves no watch.
func TestCancelWaitAtAnyMoment(t *testing.T) {
	for n := 0; n <= 3; n++ {
		synctest.Test(t, func(t *testing.T) {
			srv := zktest.New(t, zktest.WithTick(tick))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s := testkit.NewCallbackSession(t, srv)
			up := barrier.New(s.Session, path)
			if err := up.Raise(t.Context()); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			waited := make(chan error)
			s.AtReply(n, cancel)
			if n == 0 {
				cancel()
			}
			go func() { waited <- up.Wait(ctx) }()
			synctest.Wait()
			cancel()
			if err := testkit.Receive(t, waited); !errors.Is(err, context.Canceled) {
				t.Errorf("canceled at reply %d: %v", n, err)
			}
			empty(t, srv)
		})
	}
}

// Between what the last member has read and the round that it tries to begin, another
// round has begun with a member that it counts. It waits for that member to leave.
func TestRoundInBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b, c := srv.Session(t), srv.Session(t), testkit.NewCallbackSession(t, srv)
		ca := member(t.Context(), a, 2)
		synctest.Wait()
		c.AtReply(1, func() { // it has read the path
			in(t, member(t.Context(), b, 2))
			srv.Expire(b.Status().ID) // ready goes with it
		})
		cc := member(t.Context(), c.Session, 2)
		ea := in(t, ca)
		time.Sleep(time.Minute)
		still(t, cc)
		out(t, ea)
		time.Sleep(time.Minute)
		still(t, cc)
		out(t, in(t, member(t.Context(), a, 2)), in(t, cc))
		empty(t, srv)
	})
}

// A member that sees ready appear during its reads, in a round of this library without
// it, does not take it for a ready of another library.
func TestReadyOfARoundWithoutIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b, c := srv.Session(t), srv.Session(t), srv.Session(t)
		ca := member(t.Context(), a, 2)
		synctest.Wait()
		// b comes and counts two, then c comes. b begins the round with a before c
		// lists who is there, and a goes before c asks who came first.
		srv.Inject(zktest.Rule{Op: "multi", Session: b.Status().ID, Nth: 1, Delay: time.Second})
		srv.Inject(zktest.Rule{Op: "getChildren2", Session: c.Status().ID, Nth: 1, Delay: time.Second})
		srv.Inject(zktest.Rule{Op: "getData", Path: path + "/*", Session: c.Status().ID, Delay: time.Second})
		cb := member(t.Context(), b, 2)
		time.Sleep(500 * time.Millisecond)
		cc := member(t.Context(), c, 2)
		time.Sleep(1500 * time.Millisecond)
		in(t, ca)
		srv.Expire(a.Status().ID)
		time.Sleep(time.Minute)
		still(t, cc)
		out(t, in(t, cb))
		out(t, in(t, member(t.Context(), b, 2)), in(t, cc))
		empty(t, srv)
	})
}

// A member whose node is deleted while it reads the members does not begin a round of
// other members.
func TestNoRoundOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b := testkit.NewCallbackSession(t, srv), srv.Session(t)
		ca := member(t.Context(), a.Session, 2)
		synctest.Wait()
		own := testkit.Children(t, b, path)[0]
		a.AtReply(2, func() {
			if err := b.Delete(t.Context(), path+"/"+own, session.AnyVersion); err != nil {
				t.Error(err)
			}
		})
		if _, err := b.Txn(t.Context(), session.OpCreate(path+"/"+session.GUID(), nil), session.OpCreate(path+"/"+session.GUID(), nil),
			session.OpSet(path, []byte("look"), session.AnyVersion)); err != nil {
			t.Fatal(err)
		}
		if e := testkit.Receive(t, ca); !errors.Is(e.err, barrier.ErrFull) {
			t.Errorf("Enter: %v", e.err)
		}
		if data, _, err := b.Get(t.Context(), path); err != nil || string(data) != "look" {
			t.Errorf("the path holds %q (%v)", data, err)
		}
	})
}

// The last to leave is about to remove ready when the next round begins: that one
// keeps its own.
func TestReadyOfNextRoundStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b := testkit.NewCallbackSession(t, srv), srv.Session(t)
		ea := in(t, member(t.Context(), a.Session, 1))
		synctest.Wait()
		var eb *barrier.Entry
		a.AtReply(2, func() { eb = in(t, member(t.Context(), b, 1)) }) // it has listed who is there
		out(t, ea)
		if names := testkit.Children(t, b, path); len(names) != 2 || names[1] != "ready" {
			t.Errorf("in the next round there are %v", names)
		}
		out(t, eb)
		empty(t, srv)
	})
}

// What the calls say they cost, counted at the server.
func TestRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b := srv.Session(t), srv.Session(t)
		wants := func(what, want string) {
			t.Helper()
			synctest.Wait()
			var ops []string
			for _, r := range srv.Requests() {
				ops = append(ops, r.Op)
			}
			slices.Sort(ops)
			if got := strings.Join(ops, " "); got != want {
				t.Errorf("%s sent %s", what, got)
			}
			srv.ResetRequests()
		}
		out(t, in(t, member(t.Context(), a, 1))) // creates the parents
		synctest.Wait()
		srv.ResetRequests()
		ca := member(t.Context(), a, 2)
		wants("Enter of the first", "create2 exists getChildren2 getData getData")
		eb := in(t, member(t.Context(), b, 2))
		ea := in(t, ca)
		// The last comes, then the first looks; each watches its own node.
		wants("Enter of the last", "create2 exists getChildren2 getData getData getData multi removeWatches")
		left := leaving(t.Context(), ea)
		wants("Leave of the first", "delete getChildren2 getData")
		out(t, eb)
		if err := testkit.Receive(t, left); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		srv.ResetRequests() // one of them removes ready, or both try to

		up := barrier.New(a, "/up")
		if err := up.Raise(t.Context()); err != nil { // creates the receipt
			t.Fatal(err)
		}
		if err := up.Lower(t.Context()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		srv.ResetRequests()
		if err := up.Raise(t.Context()); err != nil {
			t.Fatal(err)
		}
		wants("Raise", "multi")
		waited := make(chan error)
		go func() { waited <- up.Wait(t.Context()) }()
		wants("Wait", "getData sync")
		if err := errors.Join(up.Lower(t.Context()), testkit.Receive(t, waited)); err != nil {
			t.Fatal(err)
		}
		wants("Lower", "multi")
	})
}
