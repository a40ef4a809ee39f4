package session_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// hold calls KeepProving until the test ends.
func hold(t testing.TB, e *session.Epoch) {
	t.Helper()
	release, err := e.KeepProving(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
}

// If a holder is disconnected, or its server is disconnected from the leader and still
// answers pings, the epoch ends before the ZooKeeper session expires, for every timeout
// and at every moment.
func TestHolderGivesUpBeforeTheServer(t *testing.T) {
	cuts := map[string]func(*zktest.Server, int64) func(){
		"partition": (*zktest.Server).Partition,
		"isolate":   (*zktest.Server).Isolate,
	}
	for name, cut := range cuts {
		t.Run(name, func(t *testing.T) {
			for _, granted := range []time.Duration{200 * time.Millisecond, time.Second, timeout, 30 * time.Second} {
				for _, ticks := range []time.Duration{2, 4, 10} {
					for i := range time.Duration(10) {
						synctest.Test(t, func(t *testing.T) {
							s := zktest.New(t, zktest.WithTick(granted/ticks))
							z := open(t, s, session.WithTimeout(granted))
							e := epoch(t, z)
							time.Sleep(5 * granted)
							hold(t, e)
							time.Sleep(2*granted + i*granted/7 + time.Millisecond)
							if e.Err() != nil {
								t.Fatalf("gave up without a reason: %v", e.Err())
							}
							began := time.Now()
							cut(s, e.ID())
							testkit.AwaitDone(t, e.Context())
							gaveUp := time.Now()
							testkit.WantError(t, e.Err(), session.ErrExpired)
							if !slices.Contains(s.Sessions(), e.ID()) {
								t.Errorf("timeout %v, tick %v, moment %d: the server ended the session first", granted, granted/ticks, i)
							}
							if gaveUp.Sub(began) < granted/3 {
								t.Errorf("timeout %v, tick %v, moment %d: gave up after %v already", granted, granted/ticks, i, gaveUp.Sub(began))
							}
						})
					}
				}
			}
		})
	}
}

// Ownership that begins in a session that was idle for long is safe from the start: if the
// holder is disconnected immediately, the epoch ends in time.
func TestHoldAfterIdleTime(t *testing.T) {
	for _, idle := range []time.Duration{0, timeout / 16, timeout / 4, timeout, 10 * timeout, 11*timeout + timeout/7, 100 * timeout} {
		for _, isolate := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t)
				z := open(t, s)
				e := epoch(t, z)
				time.Sleep(idle)
				before := count(s, "multi")
				hold(t, e)
				if sent := count(s, "multi") - before; (sent > 0) != (idle > timeout/8) {
					t.Errorf("after %v: %d proofs before the hold", idle, sent)
				}
				if isolate {
					s.Isolate(e.ID())
				} else {
					s.Partition(e.ID())
				}
				testkit.AwaitDone(t, e.Context())
				if !slices.Contains(s.Sessions(), e.ID()) {
					t.Errorf("after %v: the server was first", idle)
				}
			})
		}
	}
}

// KeepProving needs no round trip right after a write, which is a proof too.
func TestHoldAfterWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		time.Sleep(10 * timeout)
		testkit.Create(t, z, "/n", "")
		before := len(s.Requests())
		hold(t, epoch(t, z))
		if sent := s.Requests()[before:]; len(sent) != 0 {
			t.Errorf("sent %v", sent)
		}
	})
}

// Other writes of the session, at any moments, do not shorten ownership that has begun
// after the session was idle.
func TestHoldAmongWrites(t *testing.T) {
	for first := range time.Duration(20) {
		for second := range time.Duration(20) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t)
				z := open(t, s)
				time.Sleep(5 * timeout)
				testkit.Create(t, z, "/n", "")
				e := epoch(t, z)
				hold(t, e)
				for _, d := range []time.Duration{first, second} {
					time.Sleep(d * timeout / 64)
					if _, err := z.Set(t.Context(), "/n", nil, session.AnyVersion); err != nil {
						t.Fatal(err)
					}
				}
				s.ResetRequests()
				time.Sleep(10 * timeout)
				if err := e.Err(); err != nil {
					t.Errorf("writes %v and %v later: %v", first*timeout/64, second*timeout/64, err)
				}
				if n := len(s.Requests()); n > 60 {
					t.Errorf("%d requests in ten timeouts", n)
				}
			})
		}
	}
}

// KeepProving blocks while no proof is confirmed, until its context is done or the epoch
// has ended.
func TestHoldWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		e := epoch(t, z)
		time.Sleep(10 * timeout)
		heal := s.Isolate(e.ID())
		began := time.Now()
		_, err := e.KeepProving(testkit.Within(t, time.Second))
		testkit.WantError(t, err, context.DeadlineExceeded)
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %v", took)
		}
		heal()
		hold(t, e)
		s.Expire(e.ID())
		testkit.AwaitDone(t, e.Context())
		_, err = e.KeepProving(t.Context())
		testkit.WantError(t, err, session.ErrExpired)
	})
}

// While KeepProving is in effect, and for four timeouts after that, the session sends a
// proof every quarter of its timeout; otherwise it sends none.
func TestProofsAreSentOnlyWhileHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		e := epoch(t, z)
		proofs := func(d time.Duration) int {
			before := count(s, "multi")
			time.Sleep(d)
			synctest.Wait()
			return count(s, "multi") - before
		}
		if n := proofs(100 * timeout); n != 0 {
			t.Errorf("%d proofs without a hold", n)
		}
		one, err := e.KeepProving(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		two, err := e.KeepProving(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if n := proofs(100 * timeout); n < 395 || n > 405 {
			t.Errorf("%d proofs in 100 timeouts", n)
		}
		one()
		one() // counts once
		if n := proofs(100 * timeout); n < 395 || n > 405 {
			t.Errorf("%d proofs in 100 timeouts with a hold left", n)
		}
		two()
		if n := proofs(100 * timeout); n < 15 || n > 17 {
			t.Errorf("%d proofs after the last hold", n)
		}
		if e.Err() != nil {
			t.Error(e.Err())
		}
	})
}

// The epoch of an idle session survives a short outage and ends only after the whole
// timeout.
func TestOutageWithoutHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		e := epoch(t, z)
		w := watchNode(t, z, "/n")
		for range 5 {
			broken := e.Suspended()
			heal := s.Partition(e.ID())
			time.Sleep(timeout * 8 / 10)
			heal()
			<-broken
			await(t, timeout, "connected again", func() bool { return z.Status().State == session.Connected })
			time.Sleep(timeout)
		}
		if st := z.Status(); st.Epoch != 1 || st.ID != e.ID() || e.Err() != nil {
			t.Errorf("%+v, %v", st, e.Err())
		}
		testkit.Create(t, z, "/n", "")
		if !hasFired(w) {
			t.Error("the watch did not survive")
		}

		began := time.Now()
		s.PartitionAll()
		testkit.AwaitDone(t, e.Context())
		if took := time.Since(began); took < timeout/2 || took > timeout {
			t.Errorf("gave up after %v", took)
		}
	})
}

// A holder survives a short outage, and its deadline moves.
func TestOutageWithHold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		e := epoch(t, z)
		hold(t, e)
		for range 10 {
			time.Sleep(2 * timeout)
			was := z.Status().Deadline
			cutAll(t, s)
			await(t, timeout, "connected again", func() bool { return z.Status().State == session.Connected })
			await(t, timeout, "deadline moved", func() bool { return z.Status().Deadline.After(was) })
		}
		if e.Err() != nil {
			t.Error(e.Err())
		}
	})
}

// The channel of Suspended is closed when the connection breaks, and while there is none.
func TestSuspended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		e := epoch(t, z)
		suspended := e.Suspended()
		synctest.Wait()
		select {
		case <-suspended:
			t.Fatal("closed while connected")
		default:
		}
		began := time.Now()
		s.Stop()
		<-suspended
		<-e.Suspended()
		if took := time.Since(began); took != 0 {
			t.Errorf("closed after %v", took)
		}
		if e.Err() != nil {
			t.Error("the epoch ended with the connection")
		}
	})
}

// Err reports that the deadline has passed, even before a timer has run.
func TestErrLooksAtTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		e := epoch(t, z)
		hold(t, e)
		s.Partition(e.ID())
		time.Sleep(time.Until(z.Status().Deadline))
		testkit.WantError(t, e.Err(), session.ErrExpired)
	})
}

// A ZooKeeper session that was given up locally is closed on the server as soon as one can
// be reached, so that its nodes are deleted before it expires.
func TestOldSessionIsClosed(t *testing.T) {
	const long = time.Minute
	for _, closing := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := serve(t)
			z := open(t, s, session.WithTimeout(long))
			e := epoch(t, z)
			hold(t, e)
			if _, _, err := e.Create(t.Context(), "/mine", nil, session.Ephemeral()); err != nil {
				t.Fatal(err)
			}
			s.Stop() // no session expires while it is stopped
			testkit.AwaitDone(t, e.Context())
			time.Sleep(10 * long)
			if !slices.Contains(s.Sessions(), e.ID()) {
				t.Fatal("the session has ended by itself")
			}
			closed := make(chan error, 1)
			if closing {
				go func() { closed <- z.Close(testkit.Within(t, long)) }()
				time.Sleep(time.Second)
			}
			began := time.Now()
			if err := s.Restart(); err != nil {
				t.Fatal(err)
			}
			await(t, 10*time.Second, "old session closed", func() bool { return !slices.Contains(s.Sessions(), e.ID()) })
			if ephemerals(s) != 0 {
				t.Errorf("left:\n%s", s.Tree())
			}
			if closing {
				if err := <-closed; err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("close took %v", took)
				}
			}
		})
	}
}

// Calls of an epoch that has ended fail, and calls of the session continue in the next
// epoch.
func TestOperationsAcrossEpochs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		e := epoch(t, z)
		testkit.Create(t, z, "/n", "data")
		s.Expire(e.ID())
		if data, _, err := z.Get(testkit.Within(t, timeout), "/n"); err != nil || string(data) != "data" {
			t.Errorf("%q, %v", data, err)
		}
		testkit.AwaitDone(t, e.Context())
		_, err := e.Txn(t.Context(), session.OpSet("/n", nil, -1))
		testkit.WantError(t, err, session.ErrExpired)
		_, _, err = e.Create(t.Context(), "/m", nil, session.Ephemeral())
		testkit.WantError(t, err, session.ErrExpired)
		_, err = e.Nodes(t.Context(), "/n")
		testkit.WantError(t, err, session.ErrExpired)
		testkit.WantError(t, e.Sync(t.Context(), "/n"), session.ErrExpired)
		_, _, err = z.Create(t.Context(), "/m", nil, session.Ephemeral())
		if err != nil {
			t.Error(err)
		}
		if next := epoch(t, z); next.Number() != 2 || next.Session() != z {
			t.Errorf("epoch %d", next.Number())
		}
	})
}

// DeleteEventually deletes a node despite outages, and no other node of the same name.
func TestDeleteEventually(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z, other := open(t, s), open(t, s)
		e := epoch(t, z)
		gone := func(path string, czxid session.Zxid) chan struct{} {
			done := make(chan struct{})
			e.DeleteEventually(path, czxid, func(error) { close(done) })
			return done
		}
		_, st, err := e.Create(t.Context(), "/n", nil, session.Ephemeral())
		if err != nil {
			t.Fatal(err)
		}
		_, remove := schedule(s, 1, zktest.Refuse, 3, zktest.DropReply)
		<-gone("/n", st.Czxid)
		remove()
		if ephemerals(s) != 0 {
			t.Errorf("left:\n%s", s.Tree())
		}
		<-gone("/n", 0) // deleted already

		testkit.Create(t, other, "/n", "theirs")
		<-gone("/n", st.Czxid)
		if below(s, "/n") != 1 {
			t.Error("the node of another client was deleted")
		}
		testkit.Create(t, other, "/n/child", "")
		<-gone("/n", 0) // is refused: the node is not empty
	})
}

// Go does not run functions while the session is being closed, and Close waits for those
// that run.
func TestEpochGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := open(t, serve(t))
		e := epoch(t, z)
		ran := false
		if !e.Go(func() { <-e.Context().Done(); time.Sleep(time.Second); ran = true }) {
			t.Error("refused")
		}
		if err := z.Close(t.Context()); err != nil || !ran {
			t.Errorf("%v, ran %v", err, ran)
		}
		testkit.WantError(t, e.Err(), session.ErrClosed)
		if e.Go(func() { t.Error("ran after the close") }) {
			t.Error("accepted")
		}
		if errors.Is(e.Err(), session.ErrExpired) {
			t.Error("closed and expired")
		}
	})
}

// Deadline is zero while KeepProving is not in effect, announces each change, and is never
// later than the end of the ZooKeeper session on the server.
func TestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		e := epoch(t, z)
		none, changed := e.Deadline()
		if !none.IsZero() {
			t.Errorf("%v without a hold", none)
		}
		release, err := e.KeepProving(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		<-changed
		last, changed := e.Deadline()
		for range 20 {
			select {
			case <-changed:
			case <-time.After(timeout/2 + 1):
				t.Fatalf("has not moved for more than %v", timeout/2)
			}
			var d time.Time
			d, changed = e.Deadline()
			if !d.After(last) || time.Until(d) < timeout*2/5 || time.Until(d) > timeout*9/10 {
				t.Errorf("moved from %v to %v, which is in %v", last, d, time.Until(d))
			}
			last = d
		}
		release()
		<-changed
		if d, _ := e.Deadline(); !d.IsZero() {
			t.Errorf("%v after the release", d)
		}

		hold(t, e)
		last, _ = e.Deadline()
		s.Partition(e.ID())
		testkit.AwaitDone(t, e.Context())
		if d, _ := e.Deadline(); d.After(time.Now()) || d.Before(last) {
			t.Errorf("%v after the end, and %v before", d, last)
		}
	})
}

// If the server ends the ZooKeeper session, the deadline is that moment.
func TestDeadlineOfAnExpiredSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		e := epoch(t, open(t, s))
		hold(t, e)
		_, changed := e.Deadline()
		s.Expire(e.ID())
		testkit.AwaitDone(t, e.Context())
		<-changed
		if d, _ := e.Deadline(); d.After(time.Now()) {
			t.Errorf("in %v", time.Until(d))
		}
	})
}

// When the deadline moves because the epoch has ended, Err is already set. A lease with
// a stop time needs that: otherwise it reports the deadline as the reason of its loss.
func TestEndIsKnownWhenTheDeadlineMoves(t *testing.T) {
	for range 300 {
		synctest.Test(t, func(t *testing.T) {
			s := serve(t)
			e := epoch(t, open(t, s))
			hold(t, e)
			_, changed := e.Deadline()
			s.Expire(e.ID())
			<-changed
			if err := e.Err(); !errors.Is(err, session.ErrExpired) {
				t.Errorf("moved, and the epoch's end is %v", err)
			}
		})
		if t.Failed() {
			return
		}
	}
}
