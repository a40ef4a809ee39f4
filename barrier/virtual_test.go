package barrier_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file need faults or virtual time, and so the embedded server,
// as do those in moments_test.go and cutoff_test.go.

// Curator's fault 3.18: a member that has timed out, or whose session is being
// replaced, does not count.
func TestEndedMembersDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b := srv.Session(t), srv.Session(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if e := testkit.Receive(t, member(ctx, a, 2)); !errors.Is(e.err, context.DeadlineExceeded) || errors.Is(e.err, session.ErrUnknown) {
			t.Errorf("Enter: %v", e.err)
		}
		cb := member(t.Context(), b, 2)
		time.Sleep(time.Hour)
		still(t, cb)
		// Its session is replaced, again and again. The server keeps the old one for
		// a while, but it must not count beside the new one.
		for range 3 {
			heal := srv.Partition(b.Status().ID)
			time.Sleep(time.Minute)
			still(t, cb)
			heal()
			time.Sleep(time.Second)
			srv.Expire(b.Status().ID)
			time.Sleep(time.Second)
			still(t, cb)
		}
		out(t, in(t, member(t.Context(), a, 2)), in(t, cb))
		empty(t, srv)
	})
}

// A session that is given up locally may live on at the server: its node does not
// make a round with the one that has taken its place.
func TestOwnNodeOfOldSessionDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A server that rounds up to half a minute is late to expire anything.
		srv := zktest.New(t, zktest.WithTick(30*time.Second), zktest.WithTimeouts(time.Second, time.Hour))
		a, b := srv.Session(t), srv.Session(t)
		ca := member(t.Context(), a, 2)
		synctest.Wait()
		first := a.Status()
		heal := srv.Partition(first.ID)
		for began := time.Now(); a.Status().Epoch == first.Epoch || a.Status().State != session.Connected; {
			if time.Since(began) > testkit.Limit {
				t.Fatal("the session was not given up")
			}
			time.Sleep(100 * time.Millisecond)
		}
		if !slices.Contains(srv.Sessions(), first.ID) {
			t.Fatal("the server has expired the session already")
		}
		time.Sleep(time.Second)
		still(t, ca)
		out(t, in(t, member(t.Context(), b, 2)), in(t, ca))
		heal()
		empty(t, srv)
	})
}

// Curator's fault 3.18: a ready node that a crash has left lets no member through,
// however long they wait.
func TestStaleReadyForHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b := srv.Session(t), srv.Session(t)
		if _, _, err := a.Create(t.Context(), path+"/ready", nil, session.Parents()); err != nil {
			t.Fatal(err)
		}
		c := member(t.Context(), a, 3)
		time.Sleep(time.Hour)
		still(t, c)
		c2 := member(t.Context(), b, 3)
		time.Sleep(time.Hour)
		still(t, c2)
		out(t, in(t, member(t.Context(), b, 3)), in(t, c2), in(t, c))
		empty(t, srv)
	})
}

// All members of a round die at once. The next round needs all of its members.
func TestRoundAfterCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b := srv.Session(t), srv.Session(t)
		for range 3 {
			ca, cb := member(t.Context(), a, 2), member(t.Context(), b, 2)
			ea, eb := in(t, ca), in(t, cb)
			srv.Expire(a.Status().ID)
			srv.Expire(b.Status().ID)
			for _, e := range []*barrier.Entry{ea, eb} {
				testkit.Receive(t, e.Context().Done())
				if err := e.Leave(t.Context()); !errors.Is(err, barrier.ErrLost) || !errors.Is(err, session.ErrExpired) {
					t.Errorf("Leave: %v", err)
				}
			}
			c := member(t.Context(), a, 2)
			time.Sleep(time.Hour)
			still(t, c)
			out(t, in(t, member(t.Context(), b, 2)), in(t, c))
		}
		empty(t, srv)
	})
}

// Leave waits for the others across the ends of sessions.
func TestLeaveAcrossEpochs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b := srv.Session(t), srv.Session(t)
		ca, cb := member(t.Context(), a, 2), member(t.Context(), b, 2)
		ea, eb := in(t, ca), in(t, cb)
		left := leaving(t.Context(), ea)
		for range 3 {
			synctest.Wait()
			srv.Expire(a.Status().ID)
			time.Sleep(time.Minute)
		}
		select {
		case err := <-left:
			t.Errorf("Leave returned %v", err)
		default:
		}
		out(t, eb)
		if err := testkit.Receive(t, left); err != nil {
			t.Errorf("Leave: %v", err)
		}
		empty(t, srv)
	})
}

// The member that has begun the round dies: the others are in it, and it ends when
// they have left.
func TestBeginnerDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b, c := srv.Session(t), srv.Session(t), srv.Session(t)
		ca := member(t.Context(), a, 3)
		synctest.Wait()
		cb := member(t.Context(), b, 3)
		synctest.Wait()
		in(t, member(t.Context(), c, 3))
		srv.Expire(c.Status().ID)
		ea, eb := in(t, ca), in(t, cb)
		time.Sleep(time.Minute)
		later := member(t.Context(), c, 3)
		time.Sleep(time.Hour)
		still(t, later)
		left := leaving(t.Context(), ea)
		time.Sleep(time.Hour)
		still(t, later)
		out(t, eb)
		if err := testkit.Receive(t, left); err != nil {
			t.Errorf("Leave: %v", err)
		}
		ca, cb = member(t.Context(), a, 3), member(t.Context(), b, 3)
		out(t, in(t, later), in(t, ca), in(t, cb))
		empty(t, srv)
	})
}
