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
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file need faults or virtual time, and so the embedded
// server.

// tick makes sessions live four ticks, as is usual.
const tick = 2500 * time.Millisecond

func still(t *testing.T, c <-chan entered) {
	t.Helper()
	synctest.Wait()
	select {
	case e := <-c:
		t.Fatalf("it has entered: %+v", e)
	default:
	}
}

func in1(ctx context.Context, s *session.Session, n int) <-chan entered {
	return entering(ctx, barrier.NewDouble(s, path, n))
}

// Whatever a member has heard of when it gives up, it is in the round for
// everybody or for nobody.
func TestCancelAtAnyMoment(t *testing.T) {
	outcomes := map[bool]int{}
	for _, whose := range []string{"its own", "the other's"} {
		for n := 1; n <= 12; n++ {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t, zktest.WithTick(tick))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				a, b := newMeddler(t, srv), newMeddler(t, srv)
				m := a
				if whose == "the other's" {
					m = b
				}
				m.n, m.what = n, cancel
				ca := in1(ctx, a.Session, 2)
				synctest.Wait()
				cb := in1(t.Context(), b.Session, 2)
				synctest.Wait()
				m.what = nil
				select {
				case eb := <-cb:
					outcomes[true]++
					out(t, in(t, ca), eb.Entry)
				default:
					outcomes[false]++
					if ea := await(t, ca); !errors.Is(ea.err, context.Canceled) || errors.Is(ea.err, session.ErrUnknown) {
						t.Errorf("cancelled at %s reply %d: %v", whose, n, ea.err)
					}
					out(t, in(t, in1(t.Context(), a.Session, 2)), in(t, cb))
				}
				empty(t, srv)
			})
		}
	}
	if outcomes[true] < 5 || outcomes[false] < 5 {
		t.Errorf("outcomes: %v", outcomes)
	}
}

// empty checks that nothing of the recipe is left on the server.
func empty(t *testing.T, srv *zktest.Server) {
	t.Helper()
	synctest.Wait()
	for line := range strings.Lines(srv.Tree()) {
		if strings.HasPrefix(line, path+"/") {
			t.Errorf("left: %s", line)
		}
	}
	if w := srv.Watches(); len(w) != 0 {
		t.Errorf("watches left: %v", w)
	}
}

// meddler is a session at whose replies something happens: at the n-th from now.
type meddler struct {
	*session.Session
	n    int
	what func()
}

func newMeddler(t *testing.T, srv *zktest.Server) *meddler {
	m := &meddler{}
	m.Session = srv.Session(t, session.WithHooks(session.Hooks{Request: func(session.RequestInfo) {
		if m.what == nil {
			return
		}
		if m.n--; m.n == 0 {
			m.what()
		}
	}}))
	return m
}

// Curator's fault 3.18: a member that has timed out, or whose session is being
// replaced, does not count.
func TestTheDeadDoNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b := srv.Session(t), srv.Session(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if e := await(t, in1(ctx, a, 2)); !errors.Is(e.err, context.DeadlineExceeded) || errors.Is(e.err, session.ErrUnknown) {
			t.Errorf("Enter: %v", e.err)
		}
		cb := in1(t.Context(), b, 2)
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
		out(t, in(t, in1(t.Context(), a, 2)), in(t, cb))
		empty(t, srv)
	})
}

// A session that is given up locally may live on at the server: its node does not
// make a round with the one that has taken its place.
func TestOwnZombieDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A server that rounds up to half a minute is late to expire anything.
		srv := zktest.New(t, zktest.WithTick(30*time.Second), zktest.WithTimeouts(time.Second, time.Hour))
		a, b := srv.Session(t), srv.Session(t)
		ca := in1(t.Context(), a, 2)
		synctest.Wait()
		first := a.Status()
		heal := srv.Partition(first.ID)
		for a.Status().Epoch == first.Epoch || a.Status().State != session.Connected {
			time.Sleep(100 * time.Millisecond)
		}
		if !slices.Contains(srv.Sessions(), first.ID) {
			t.Fatal("the server has expired the session already")
		}
		time.Sleep(time.Second)
		still(t, ca)
		out(t, in(t, in1(t.Context(), b, 2)), in(t, ca))
		heal()
		empty(t, srv)
	})
}

// Curator's fault 3.18: a ready that a crash has left lets nobody through, however
// long they wait.
func TestStaleReadyForHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b := srv.Session(t), srv.Session(t)
		if _, _, err := a.Create(t.Context(), path+"/ready", nil, session.Parents()); err != nil {
			t.Fatal(err)
		}
		c := in1(t.Context(), a, 3)
		time.Sleep(time.Hour)
		still(t, c)
		c2 := in1(t.Context(), b, 3)
		time.Sleep(time.Hour)
		still(t, c2)
		out(t, in(t, in1(t.Context(), b, 3)), in(t, c2), in(t, c))
		empty(t, srv)
	})
}

// All members of a round die at once. The next round needs all of its members.
func TestRoundAfterCrash(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b := srv.Session(t), srv.Session(t)
		for range 3 {
			ca, cb := in1(t.Context(), a, 2), in1(t.Context(), b, 2)
			ea, eb := in(t, ca), in(t, cb)
			srv.Expire(a.Status().ID)
			srv.Expire(b.Status().ID)
			for _, e := range []*barrier.Entry{ea, eb} {
				await(t, e.Context().Done())
				if err := e.Leave(t.Context()); !errors.Is(err, barrier.ErrLost) || !errors.Is(err, session.ErrExpired) {
					t.Errorf("Leave: %v", err)
				}
			}
			c := in1(t.Context(), a, 2)
			time.Sleep(time.Hour)
			still(t, c)
			out(t, in(t, in1(t.Context(), b, 2)), in(t, c))
		}
		empty(t, srv)
	})
}

// A member that is cut off in a round is told before the others may take it for
// gone.
func TestCutOffMemberIsToldFirst(t *testing.T) {
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
				ca, cb := in1(t.Context(), a, 2), in1(t.Context(), b, 2)
				ea, eb := in(t, ca), in(t, cb)
				left := leaving(t.Context(), eb)
				time.Sleep(time.Duration(moment) * time.Second)
				defer cut(srv, a.Status().ID)()
				await(t, ea.Context().Done())
				told := time.Now()
				if err := ea.Err(); !errors.Is(err, barrier.ErrLost) || !errors.Is(err, session.ErrExpired) {
					t.Errorf("the member was told %v", err)
				}
				if err := await(t, left); err != nil {
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
		ca := entering(t.Context(), barrier.NewDouble(a, path, 2, barrier.LoseOnSuspend(true)))
		cb := in1(t.Context(), b, 2)
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

// A round begins with a member that is cut off, and goes on without it. When it is
// back, it says so, and does not wait for a round that has been.
func TestRoundBeganWhileCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b := srv.Session(t), srv.Session(t)
		ca := in1(t.Context(), a, 2)
		synctest.Wait()
		heal := srv.Partition(a.Status().ID)
		eb := in(t, in1(t.Context(), b, 2))
		if e := await(t, ca); !errors.Is(e.err, barrier.ErrLost) || !errors.Is(e.err, session.ErrExpired) || errors.Is(e.err, session.ErrUnknown) {
			t.Errorf("Enter: %v, %v", e.Entry, e.err)
		}
		out(t, eb)
		heal()
		empty(t, srv)
	})
}

// Whoever has been away from a wait goes on waiting, if no round can have begun
// with it, and says so otherwise.
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
				ca := in1(t.Context(), a, 2)
				synctest.Wait()
				g.close()
				if with {
					out(t, in(t, in1(t.Context(), b, 2)))
				}
				time.Sleep(time.Minute)
				for i := range rounds {
					if with && i == 0 {
						continue
					}
					cb, cc := in1(t.Context(), b, 2), in1(t.Context(), c, 2)
					out(t, in(t, cb), in(t, cc))
				}
				still(t, ca)
				g.open()
				time.Sleep(time.Minute)
				if !known {
					if e := await(t, ca); !errors.Is(e.err, session.ErrUnknown) {
						t.Errorf("Enter after %d rounds: %v", rounds, e.err)
					}
				} else {
					still(t, ca)
					out(t, in(t, in1(t.Context(), b, 2)), in(t, ca))
				}
				empty(t, srv)
			})
		}
	}
}

// A path that is a container may go while nobody is there, and what it knew with
// it.
func TestPathGoneWhileAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		g := &gate{srv: srv}
		a := srv.Session(t, session.WithDialer(g.dial))
		ca := in1(t.Context(), a, 2)
		synctest.Wait()
		g.close()
		time.Sleep(time.Hour)
		g.open()
		if e := await(t, ca); !errors.Is(e.err, session.ErrUnknown) {
			t.Errorf("Enter: %v", e.err)
		}
		empty(t, srv)
	})
}

// Leave waits for the others across the ends of sessions.
func TestLeaveAcrossEpochs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b := srv.Session(t), srv.Session(t)
		ca, cb := in1(t.Context(), a, 2), in1(t.Context(), b, 2)
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
		if err := await(t, left); err != nil {
			t.Errorf("Leave: %v", err)
		}
		empty(t, srv)
	})
}

// Whoever has begun the round dies: the others are in it, and it is over when they
// have left.
func TestBeginnerDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b, c := srv.Session(t), srv.Session(t), srv.Session(t)
		ca := in1(t.Context(), a, 3)
		synctest.Wait()
		cb := in1(t.Context(), b, 3)
		synctest.Wait()
		in(t, in1(t.Context(), c, 3))
		srv.Expire(c.Status().ID)
		ea, eb := in(t, ca), in(t, cb)
		time.Sleep(time.Minute)
		newcomer := in1(t.Context(), c, 3)
		time.Sleep(time.Hour)
		still(t, newcomer)
		left := leaving(t.Context(), ea)
		time.Sleep(time.Hour)
		still(t, newcomer)
		out(t, eb)
		if err := await(t, left); err != nil {
			t.Errorf("Leave: %v", err)
		}
		ca, cb = in1(t.Context(), a, 3), in1(t.Context(), b, 3)
		out(t, in(t, newcomer), in(t, ca), in(t, cb))
		empty(t, srv)
	})
}

// Between what the last to come has read and the round that it is about to begin,
// another round has begun with a member that it counts. It waits for that one to
// leave.
func TestRoundInBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b, c := srv.Session(t), srv.Session(t), newMeddler(t, srv)
		ca := in1(t.Context(), a, 2)
		synctest.Wait()
		c.n, c.what = 1, func() { // it has read the path
			in(t, in1(t.Context(), b, 2))
			srv.Expire(b.Status().ID) // ready goes with it
		}
		cc := in1(t.Context(), c.Session, 2)
		ea := in(t, ca)
		time.Sleep(time.Minute)
		still(t, cc)
		out(t, ea)
		time.Sleep(time.Minute)
		still(t, cc)
		out(t, in(t, in1(t.Context(), a, 2)), in(t, cc))
		empty(t, srv)
	})
}

// Whoever sees a ready that came while it looked, in a round of ours without it,
// does not take it for that of another library, which would be a round with it.
func TestReadyOfARoundWithoutIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b, c := srv.Session(t), srv.Session(t), srv.Session(t)
		ca := in1(t.Context(), a, 2)
		synctest.Wait()
		// b comes and counts two, then c comes. b begins the round with a before c
		// lists who is there, and a goes before c asks who came first.
		srv.Inject(zktest.Rule{Op: "multi", Session: b.Status().ID, Nth: 1, Delay: time.Second})
		srv.Inject(zktest.Rule{Op: "getChildren2", Session: c.Status().ID, Nth: 1, Delay: time.Second})
		srv.Inject(zktest.Rule{Op: "getData", Path: path + "/*", Session: c.Status().ID, Delay: time.Second})
		cb := in1(t.Context(), b, 2)
		time.Sleep(500 * time.Millisecond)
		cc := in1(t.Context(), c, 2)
		time.Sleep(1500 * time.Millisecond)
		in(t, ca)
		srv.Expire(a.Status().ID)
		time.Sleep(time.Minute)
		still(t, cc)
		out(t, in(t, cb))
		out(t, in(t, in1(t.Context(), b, 2)), in(t, cc))
		empty(t, srv)
	})
}

// Members of other libraries use their names again. One that has come again is
// not taken for a straggler of the last round, neither by who leaves it nor by who
// comes to the next.
func TestForeignMemberComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b := srv.Session(t), srv.Session(t)
		theirs := path + "/" + session.GUID()
		come := func() {
			if _, _, err := b.Create(t.Context(), theirs, nil, session.Parents()); err != nil {
				t.Fatal(err)
			}
		}
		come()
		for range 3 {
			ea := in(t, in1(t.Context(), a, 2))
			left := leaving(t.Context(), ea)
			synctest.Wait()
			select {
			case err := <-left:
				t.Errorf("Leave returned %v while the other is inside", err)
			default:
			}
			if _, err := b.Txn(t.Context(), session.OpDelete(theirs, 0), session.OpCreate(theirs, nil)); err != nil {
				t.Fatal(err)
			}
			if err := await(t, left); err != nil {
				t.Errorf("Leave: %v", err)
			}
		}
	})
}

// Members of another library come and begin a round with one of ours at any moment
// after it has come.
func TestForeignReadyAtAnyMoment(t *testing.T) {
	for n := 3; n <= 6; n++ {
		for _, kept := range []bool{true, false} {
			if !kept && n < 6 {
				continue // it has to be seen
			}
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t, zktest.WithTick(tick))
				a, b := newMeddler(t, srv), srv.Session(t)
				if _, _, err := b.Create(t.Context(), path, nil, session.Parents()); err != nil {
					t.Fatal(err)
				}
				theirs := path + "/" + session.GUID()
				begin := func() {
					ops := []session.Op{session.OpCreate(theirs, nil), session.OpCreate(path+"/ready", nil)}
					if !kept {
						ops = append(ops, session.OpDelete(path+"/ready", 0))
					}
					if _, err := b.Txn(t.Context(), ops...); err != nil {
						t.Error(err)
					}
				}
				a.n, a.what = n, begin
				ca := in1(t.Context(), a.Session, 2)
				synctest.Wait()
				if a.n > 0 { // there were fewer replies
					a.what = nil
					begin()
				}
				ea := in(t, ca)
				if err := b.Delete(t.Context(), theirs, 0); err != nil {
					t.Fatal(err)
				}
				out(t, ea)
				empty(t, srv)
			})
		}
	}
}

// Somebody removes the node of one who is looking who is there. It does not begin a
// round of others.
func TestNoRoundOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b := newMeddler(t, srv), srv.Session(t)
		ca := in1(t.Context(), a.Session, 2)
		synctest.Wait()
		own := children(t, b)[0]
		a.n, a.what = 2, func() {
			if err := b.Delete(t.Context(), path+"/"+own, session.AnyVersion); err != nil {
				t.Error(err)
			}
		}
		if _, err := b.Txn(t.Context(), session.OpCreate(path+"/"+session.GUID(), nil), session.OpCreate(path+"/"+session.GUID(), nil),
			session.OpSet(path, []byte("look"), session.AnyVersion)); err != nil {
			t.Fatal(err)
		}
		if e := await(t, ca); !errors.Is(e.err, barrier.ErrFull) {
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
		a, b := newMeddler(t, srv), srv.Session(t)
		ea := in(t, in1(t.Context(), a.Session, 1))
		synctest.Wait()
		var eb *barrier.Entry
		a.n, a.what = 2, func() { eb = in(t, in1(t.Context(), b, 1)) } // it has listed who is there
		out(t, ea)
		if names := children(t, b); len(names) != 2 || names[1] != "ready" {
			t.Errorf("in the next round there are %v", names)
		}
		out(t, eb)
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

// Who gives up while it is cut off cannot know whether a round has begun with it.
// It says so: at once if the connection is broken, and within a second if the
// server is silent. If one has, it leaves it as soon as it can.
func TestGivesUpWhileCutOff(t *testing.T) {
	for _, silent := range []bool{false, true} {
		for _, round := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t, zktest.WithTick(tick))
				g := &gate{srv: srv}
				a, b := srv.Session(t, session.WithDialer(g.dial)), srv.Session(t)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				ca := in1(ctx, a, 2)
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
					eb = in(t, in1(t.Context(), b, 2))
				}
				e := await(t, ca)
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

// Closing the session ends every wait, and every membership.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b := srv.Session(t), srv.Session(t)
		up := barrier.New(a, "/up")
		if err := up.Raise(t.Context()); err != nil {
			t.Fatal(err)
		}
		ca, cb := in1(t.Context(), a, 2), in1(t.Context(), b, 2)
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
		for what, err := range map[string]error{"Leave": await(t, left), "Enter": await(t, waiting).err, "Wait": await(t, waited), "Err": inside.Err()} {
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
		out(t, in(t, in1(t.Context(), a, 1))) // creates the parents
		synctest.Wait()
		srv.ResetRequests()
		ca := in1(t.Context(), a, 2)
		wants("Enter of the first", "create2 exists getChildren2 getData getData")
		eb := in(t, in1(t.Context(), b, 2))
		ea := in(t, ca)
		// The last comes, then the first looks; each watches its own node.
		wants("Enter of the last", "create2 exists getChildren2 getData getData getData multi removeWatches")
		left := leaving(t.Context(), ea)
		wants("Leave of the first", "delete getChildren2 getData")
		out(t, eb)
		if err := await(t, left); err != nil {
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
		if err := errors.Join(up.Lower(t.Context()), await(t, waited)); err != nil {
			t.Fatal(err)
		}
		wants("Lower", "multi")
	})
}
