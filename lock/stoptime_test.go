package lock_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

var stopTimeouts = []time.Duration{2 * time.Second, 4 * time.Second, 10 * time.Second, time.Minute}

// stopTimes returns stop times up to the longest for a session timeout.
func stopTimes(timeout time.Duration) []time.Duration {
	longest := timeout * 3325 / 10000
	return []time.Duration{timeout / 20, timeout * 27 / 100, longest.Truncate(time.Millisecond)}
}

// If a holder with a stop time is cut off, in either way and at any moment, its lease
// ends at least the stop time before the next contender owns.
func TestCutOffHolderHasTimeToStop(t *testing.T) {
	cuts := map[string]func(*zktest.Server, int64) func(){
		"partition": (*zktest.Server).Partition,
		"isolation": (*zktest.Server).Isolate,
	}
	const moments = 20
	for name, cut := range cuts {
		t.Run(name, func(t *testing.T) {
			for _, timeout := range stopTimeouts {
				for _, stop := range stopTimes(timeout) {
					for moment := range moments {
						synctest.Test(t, func(t *testing.T) {
							after := timeout * time.Duration(moment) * 2 / moments
							if gap := cutOff(t, cut, timeout, after, lock.WithStopTime(stop)); gap < stop+timeout/10 {
								t.Errorf("timeout %v, stop time %v, cut after %v: the lease ended only %v before the next owned", timeout, stop, after, gap)
							}
						})
					}
				}
			}
		})
	}
}

// An outage of a quarter of the timeout, at any moment, does not end a lease with a
// stop time.
func TestOutageIsSurvivedWithStopTime(t *testing.T) {
	cuts := map[string]func(*zktest.Server, int64) func(){
		"partition": (*zktest.Server).Partition,
		"isolation": (*zktest.Server).Isolate,
	}
	const moments = 32
	for name, cut := range cuts {
		t.Run(name, func(t *testing.T) {
			for _, timeout := range stopTimeouts {
				for _, stop := range stopTimes(timeout) {
					for moment := range moments {
						synctest.Test(t, func(t *testing.T) {
							srv := zktest.New(t, zktest.WithTick(timeout/8))
							s := srv.Session(t, session.WithTimeout(timeout))
							time.Sleep(timeout * 7)
							l := mustLock(t, lock.New(s, path, lock.WithStopTime(stop)))
							after := timeout * time.Duration(moment) / moments
							time.Sleep(after)
							heal := cut(srv, s.Status().ID)
							time.Sleep(timeout / 4)
							heal()
							time.Sleep(timeout * 2)
							if err := l.Err(); err != nil {
								t.Errorf("timeout %v, stop time %v, outage after %v: %v", timeout, stop, after, err)
							}
						})
					}
				}
			}
		})
	}
}

// A stop time that is too long for the granted timeout is refused before anything is
// sent, and the error states the longest one.
func TestStopTimeIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t, session.WithTimeout(10*time.Second))
		granted, longest := s.Timeout(), s.MaxStopTime()
		for _, stop := range []time.Duration{-1, longest + 1, longest * 2} {
			srv.ResetRequests()
			_, err := lock.New(s, path, lock.WithStopTime(stop)).Lock(t.Context())
			if !errors.Is(err, session.ErrInvalid) {
				t.Errorf("%v: %v", stop, err)
			}
			if n := len(srv.Requests()); n != 0 {
				t.Errorf("%v: %d requests", stop, n)
			}
			if stop > 0 && (!strings.Contains(err.Error(), longest.String()) || !strings.Contains(err.Error(), granted.String())) {
				t.Errorf("the error does not say what is allowed: %v", err)
			}
		}
		mustLock(t, lock.New(s, path, lock.WithStopTime(longest)))
	})
}

// WithSurvivedOutage allows a shorter outage for a longer stop time: the stated outage
// is survived, and the longest stop time is kept.
func TestShorterOutageAllowsLongerStopTime(t *testing.T) {
	const timeout = 10 * time.Second
	for moment := range 20 {
		synctest.Test(t, func(t *testing.T) {
			srv := zktest.New(t, zktest.WithTick(timeout/8))
			s := srv.Session(t, session.WithTimeout(timeout), session.WithSurvivedOutage(timeout/10))
			if most := s.MaxStopTime(); most != 4825*time.Millisecond {
				t.Errorf("at most %v", most)
			}
			l := mustLock(t, lock.New(s, path, lock.WithStopTime(s.MaxStopTime())))
			time.Sleep(timeout * time.Duration(moment) / 20)
			heal := srv.Isolate(s.Status().ID)
			time.Sleep(timeout / 10)
			heal()
			time.Sleep(timeout)
			if err := l.Err(); err != nil {
				t.Errorf("moment %d: %v", moment, err)
			}
		})
	}
}

// The node of a lease that ended early is kept for the stop time, even if the
// connection has recovered, and is deleted by Unlock.
func TestNodeStaysForTheStopTime(t *testing.T) {
	const timeout, stop = 10 * time.Second, 2 * time.Second
	lose := map[string]func(*testing.T, *zktest.Server, *session.Session) *lock.Lease{
		"deadline": func(t *testing.T, srv *zktest.Server, s *session.Session) *lock.Lease {
			l := mustLock(t, lock.New(s, path, lock.WithStopTime(stop)))
			heal := srv.Isolate(s.Status().ID)
			testkit.AwaitDone(t, l.Context())
			heal()
			return l
		},
		"suspended": func(t *testing.T, srv *zktest.Server, s *session.Session) *lock.Lease {
			l := mustLock(t, lock.New(s, path, lock.WithStopTime(stop), lock.WithLoseOnSuspend()))
			srv.Stop()
			if err := srv.Restart(); err != nil {
				t.Fatal(err)
			}
			testkit.AwaitDone(t, l.Context())
			return l
		},
	}
	for name, lose := range lose {
		for _, unlock := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					srv := zktest.New(t)
					a, b := srv.Session(t, session.WithTimeout(timeout)), srv.Session(t, session.WithTimeout(timeout))
					l := lose(t, srv, a)
					began := time.Now()
					if !errors.Is(l.Err(), lock.ErrLost) {
						t.Errorf("lost with %v", l.Err())
					}
					if until, _ := l.Deadline(); until.Sub(began) != stop {
						t.Errorf("the deadline is %v after the loss", until.Sub(began))
					}
					owned := make(chan time.Time, 1)
					go func() {
						mustLock(t, lock.New(b, path))
						owned <- time.Now()
					}()
					want := stop
					if unlock {
						want = stop / 2
						time.Sleep(want)
						if err := l.Unlock(t.Context()); !errors.Is(err, lock.ErrLost) {
							t.Errorf("Unlock: %v", err)
						}
					}
					if took := (<-owned).Sub(began); took != want {
						t.Errorf("the next owned %v after the loss, want %v", took, want)
					}
					if a.Status().Epoch != 1 {
						t.Error("the session has ended")
					}
				})
			})
		}
	}
}

// If an operator deletes the node, there is no stop time.
func TestNoStopTimeWhenTheNodeIsDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		l := mustLock(t, lock.New(a, path, lock.WithStopTime(time.Second)))
		began := time.Now()
		if err := b.Delete(t.Context(), l.Path(), session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		testkit.AwaitDone(t, l.Context())
		if took := time.Since(began); took != 0 || !errors.Is(l.Err(), session.ErrNoNode) {
			t.Errorf("the lease ended after %v: %v", took, l.Err())
		}
		if until, _ := l.Deadline(); until.After(time.Now()) {
			t.Errorf("the deadline is in %v", time.Until(until))
		}
	})
}

// The nodes of several locks that are held together are kept together for the stop
// time.
func TestMultiStaysForTheStopTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const timeout, stop = 10 * time.Second, 2 * time.Second
		srv := zktest.New(t)
		a, b := srv.Session(t, session.WithTimeout(timeout)), srv.Session(t, session.WithTimeout(timeout))
		l, err := lock.NewMulti(a, []string{"/a", "/b"}, lock.WithStopTime(stop)).Lock(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		heal := srv.Isolate(a.Status().ID)
		testkit.AwaitDone(t, l.Context())
		heal()
		time.Sleep(stop / 2)
		for _, path := range []string{"/a", "/b"} {
			if _, err := lock.New(b, path).TryLock(t.Context()); !errors.Is(err, lock.ErrLocked) {
				t.Errorf("%s while the holder stops: %v", path, err)
			}
		}
		if err := l.Unlock(t.Context()); !errors.Is(err, lock.ErrLost) {
			t.Errorf("Unlock: %v", err)
		}
		for _, path := range []string{"/a", "/b"} {
			if _, err := lock.New(b, path).TryLock(t.Context()); err != nil {
				t.Errorf("%s after Unlock: %v", path, err)
			}
		}
	})
}

// Err returns the loss when its time has come, even if no timer has run.
func TestErrLooksAtTheClockWithStopTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		stop := s.MaxStopTime()
		l := mustLock(t, lock.New(s, path, lock.WithStopTime(stop)))
		srv.Isolate(s.Status().ID)
		d, _ := l.Deadline()
		time.Sleep(time.Until(d.Add(-stop - 1)))
		if err := l.Err(); err != nil {
			t.Errorf("too early: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if err := l.Err(); !errors.Is(err, lock.ErrLost) {
			t.Errorf("%v", err)
		}
	})
}

// The first lock of an idle session takes a quarter of the timeout longer with a stop
// time, unless the session sends steady proofs. While it sends proofs, a lock and a
// handoff take no longer than without a stop time.
func TestFirstLockWithStopTime(t *testing.T) {
	const timeout = 10 * time.Second
	for _, steady := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			srv := zktest.New(t)
			opts := []session.Option{session.WithTimeout(timeout)}
			want := timeout / 4
			if steady {
				opts, want = append(opts, session.WithSteadyProofs(timeout/4)), 0
			}
			s := srv.Session(t, opts...)
			m := lock.New(s, path, lock.WithStopTime(timeout/4))
			time.Sleep(20 * timeout)
			began := time.Now()
			l := mustLock(t, m)
			if took := time.Since(began); took != want {
				t.Errorf("steady %v: the first took %v, want %v", steady, took, want)
			}
			owned := make(chan *lock.Lease)
			go func() { owned <- mustLock(t, m) }()
			time.Sleep(timeout/3 + time.Millisecond)
			began = time.Now()
			l.Unlock(t.Context())
			(<-owned).Unlock(context.Background())
			mustLock(t, m)
			if took := time.Since(began); took != 0 {
				t.Errorf("steady %v: the next took %v", steady, took)
			}
		})
	}
}

// A stop time costs proofs only while a lease with it is held.
func TestProofsOfStopTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const timeout = 10 * time.Second
		srv := zktest.New(t)
		s := srv.Session(t, session.WithTimeout(timeout))
		proofs := func() int {
			srv.ResetRequests()
			time.Sleep(100 * timeout)
			return len(srv.Requests())
		}
		within := func(what string, n, want int) {
			if n < want*95/100 || n > want*105/100 {
				t.Errorf("%s: %d requests in 100 timeouts, want about %d", what, n, want)
			}
		}
		other := mustLock(t, lock.New(s, "/other"))
		base := proofs()
		for _, tt := range []struct {
			stop time.Duration
			more int
		}{{timeout / 8, 0}, {timeout / 4, 400}, {timeout * 3 / 10, 1200}} {
			l := mustLock(t, lock.New(s, path, lock.WithStopTime(tt.stop)))
			within(tt.stop.String(), proofs(), base+tt.more)
			l.Unlock(t.Context())
			within("after "+tt.stop.String(), proofs(), base)
		}
		other.Unlock(t.Context())
	})
}
