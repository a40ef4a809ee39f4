package barrier_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A disconnected member's context is done before the others can find that it has left
// the round.
func TestCutOffMemberStopsFirst(t *testing.T) {
	cuts := map[string]func(*zktest.Server, int64) func(){
		"partition": (*zktest.Server).Partition,
		"isolation": (*zktest.Server).Isolate,
	}
	for name, cut := range cuts {
		for moment := range 10 {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t, zktest.WithTick(tick))
				a, b := srv.Session(t), srv.Session(t)
				time.Sleep(time.Hour)
				ca, cb := member(t.Context(), a, 2), member(t.Context(), b, 2)
				ea, eb := in(t, ca), in(t, cb)
				left := leaving(t.Context(), eb)
				time.Sleep(time.Duration(moment) * time.Second)
				defer cut(srv, a.Status().ID)()
				testkit.Receive(t, ea.Context().Done())
				told := time.Now()
				if err := ea.Err(); !errors.Is(err, barrier.ErrLost) || !errors.Is(err, session.ErrExpired) {
					t.Errorf("the member was told %v", err)
				}
				if err := testkit.Receive(t, left); err != nil {
					t.Errorf("Leave of the other: %v", err)
				}
				if gap := time.Since(told); gap <= 0 {
					t.Errorf("%s after %d s: told %v after the other had left", name, moment, -gap)
				}
			})
		}
	}
}

func TestLoseOnSuspend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b := srv.Session(t), srv.Session(t)
		ca := entering(t.Context(), barrier.NewDouble(a, path, 2, barrier.WithLoseOnSuspend()))
		cb := member(t.Context(), b, 2)
		strict, patient := in(t, ca), in(t, cb)
		srv.Stop()
		synctest.Wait()
		if !errors.Is(strict.Err(), barrier.ErrLost) || patient.Err() != nil {
			t.Errorf("strict: %v, patient: %v", strict.Err(), patient.Err())
		}
		if err := srv.Restart(); err != nil {
			t.Fatal(err)
		}
		out(t, patient) // the node of the other is removed by its owner
		empty(t, srv)
	})
}

// A round begins with a disconnected member and continues without it. After
// reconnecting, Enter returns an error and does not wait for a round that has ended.
func TestRoundBeganWhileCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b := srv.Session(t), srv.Session(t)
		ca := member(t.Context(), a, 2)
		synctest.Wait()
		heal := srv.Partition(a.Status().ID)
		eb := in(t, member(t.Context(), b, 2))
		if e := testkit.Receive(t, ca); !errors.Is(e.err, barrier.ErrLost) || !errors.Is(e.err, session.ErrExpired) || errors.Is(e.err, session.ErrUnknown) {
			t.Errorf("Enter: %v, %v", e.Entry, e.err)
		}
		out(t, eb)
		heal()
		empty(t, srv)
	})
}

// A member that was disconnected continues to wait if no round can have begun with it,
// and returns an error otherwise.
func TestRoundsWhileAway(t *testing.T) {
	for rounds, known := range map[int]bool{0: true, 1: true, 2: false} {
		for _, with := range []bool{false, true} { // the first of them was one with it
			if with && rounds < 2 {
				continue
			}
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t, zktest.WithTick(tick))
				g := &gate{srv: srv}
				a, b, c := srv.Session(t, session.WithDialer(g.dial)), srv.Session(t), srv.Session(t)
				if _, _, err := b.Create(t.Context(), path, nil, session.Parents()); err != nil { // no container
					t.Fatal(err)
				}
				ca := member(t.Context(), a, 2)
				synctest.Wait()
				g.close()
				if with {
					out(t, in(t, member(t.Context(), b, 2)))
				}
				time.Sleep(time.Minute)
				for i := range rounds {
					if with && i == 0 {
						continue
					}
					cb, cc := member(t.Context(), b, 2), member(t.Context(), c, 2)
					out(t, in(t, cb), in(t, cc))
				}
				still(t, ca)
				g.open()
				time.Sleep(time.Minute)
				if !known {
					if e := testkit.Receive(t, ca); !errors.Is(e.err, session.ErrUnknown) {
						t.Errorf("Enter after %d rounds: %v", rounds, e.err)
					}
				} else {
					still(t, ca)
					out(t, in(t, member(t.Context(), b, 2)), in(t, ca))
				}
				empty(t, srv)
			})
		}
	}
}

// A path that is a container may be deleted while it is empty, together with its
// record.
func TestPathGoneWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		g := &gate{srv: srv}
		a := srv.Session(t, session.WithDialer(g.dial))
		ca := member(t.Context(), a, 2)
		synctest.Wait()
		g.close()
		time.Sleep(time.Hour)
		g.open()
		if e := testkit.Receive(t, ca); !errors.Is(e.err, session.ErrUnknown) {
			t.Errorf("Enter: %v", e.err)
		}
		empty(t, srv)
	})
}

// A context bounds Enter and the others also while there is no server.
func TestWithoutServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		s := srv.Session(t)
		b, d := barrier.New(s, "/up"), barrier.NewDouble(s, path, 2)
		srv.Stop()
		time.Sleep(time.Minute)
		for what, call := range map[string]func(context.Context) error{
			"Enter":  func(ctx context.Context) error { _, err := d.Enter(ctx); return err },
			"Raise":  b.Raise,
			"Lower":  b.Lower,
			"Wait":   b.Wait,
			"Raised": func(ctx context.Context) error { _, err := b.Raised(ctx); return err },
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			start := time.Now()
			err := call(ctx)
			cancel()
			if d := time.Since(start); d != 500*time.Millisecond {
				t.Errorf("%s took %v", what, d)
			}
			var oe *session.OpError
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "not connected") || !errors.As(err, &oe) || errors.Is(err, session.ErrUnknown) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := srv.Restart(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		empty(t, srv)
	})
}

// A member that gives up while it is disconnected cannot know whether a round has
// begun with it. Enter returns session.ErrUnknown: immediately if the connection is
// broken, and within a second if the server does not answer. If a round has begun, the
// member leaves it as soon as possible.
func TestGivesUpWhileCutOff(t *testing.T) {
	for _, silent := range []bool{false, true} {
		for _, round := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t, zktest.WithTick(tick))
				g := &gate{srv: srv}
				a, b := srv.Session(t, session.WithDialer(g.dial)), srv.Session(t)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				ca := member(ctx, a, 2)
				time.Sleep(9500 * time.Millisecond)
				heal, want := g.open, 500*time.Millisecond
				if silent {
					heal, want = srv.Partition(a.Status().ID), 1500*time.Millisecond
				} else {
					g.close()
				}
				start := time.Now()
				var eb *barrier.Entry
				if round {
					eb = in(t, member(t.Context(), b, 2))
				}
				e := testkit.Receive(t, ca)
				if d := time.Since(start); d != want {
					t.Errorf("silent %v: it took %v", silent, d)
				}
				if !errors.Is(e.err, context.DeadlineExceeded) || !errors.Is(e.err, session.ErrUnknown) {
					t.Errorf("silent %v: Enter: %v", silent, e.err)
				}
				heal()
				time.Sleep(2 * time.Second)
				if a.Status().Epoch != 1 {
					t.Fatal("it was cut off for too long")
				}
				if n := strings.Count(srv.Tree(), path+"/"); round && n != 2 || !round && n != 0 {
					t.Errorf("silent %v, round %v: left\n%s", silent, round, srv.Tree())
				}
				if round {
					out(t, eb)
				}
				empty(t, srv)
			})
		}
	}
}

// A server that does not answer delays no call for longer than its context. If it is
// then not known whether a barrier was raised, the call says so.
func TestSilentServer(t *testing.T) {
	for _, raise := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			srv := zktest.New(t, zktest.WithTick(tick))
			s := srv.Session(t)
			b := barrier.New(s, path)
			call := b.Lower
			if err := errors.Join(b.Raise(t.Context()), b.Lower(t.Context())); err != nil {
				t.Fatal(err)
			}
			if raise {
				call = b.Raise
			}
			srv.Inject(zktest.Rule{Op: "multi", Path: path, Fault: zktest.Hang})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			start := time.Now()
			err := call(ctx)
			if d := time.Since(start); d != time.Second {
				t.Errorf("it took %v", d)
			}
			if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, session.ErrUnknown) {
				t.Errorf("it said %v", err)
			}
		})
	}
}

// Closing the session ends every wait, and every membership.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b := srv.Session(t), srv.Session(t)
		up := barrier.New(a, "/up")
		if err := up.Raise(t.Context()); err != nil {
			t.Fatal(err)
		}
		ca, cb := member(t.Context(), a, 2), member(t.Context(), b, 2)
		ea, eb := in(t, ca), in(t, cb)
		left := leaving(t.Context(), ea)
		waiting := entering(t.Context(), barrier.NewDouble(a, "/other", 2))
		inside := in(t, entering(t.Context(), barrier.NewDouble(a, "/another", 1)))
		waited := make(chan error)
		go func() { waited <- up.Wait(t.Context()) }()
		synctest.Wait()
		if err := a.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{"Leave": testkit.Receive(t, left), "Enter": testkit.Receive(t, waiting).err, "Wait": testkit.Receive(t, waited), "Err": inside.Err()} {
			if !errors.Is(err, session.ErrClosed) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := inside.Err(); !errors.Is(err, barrier.ErrLost) {
			t.Errorf("Err: %v", err)
		}
		out(t, eb)
		empty(t, srv)
	})
}
