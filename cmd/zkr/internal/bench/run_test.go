package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Each workload makes the operations that it was asked for, and leaves nothing.
func TestWorkloads(t *testing.T) {
	eachWorkload(t, func(t *testing.T, w *Workload) {
		target := zktest.Open(t)
		s := target.Session(t)
		c := config3(w, func(ctx context.Context, opts ...session.Option) (*session.Session, error) {
			return session.Connect(ctx, target.Connect(), opts...)
		})
		r, err := Run(t.Context(), testkit.Soon(t), s, c)
		if err != nil {
			t.Fatal(err)
		}
		if r.Operations != c.Ops || r.Failed != 0 {
			t.Errorf("%d operations, %d failed with %v; want %d", r.Operations, r.Failed, r.FirstError, c.Ops)
		}
		l := r.Latency
		if ds := []time.Duration{l.P50, l.P90, l.P99, l.P999, l.Max}; l.P50 <= 0 || !slices.IsSorted(ds) || l.Max > r.Elapsed {
			t.Errorf("latencies %v in a run of %v", ds, r.Elapsed)
		}
		if tr := r.Traffic; tr.RoundTrips < int64(c.Ops) || tr.Requests < tr.RoundTrips || tr.Sent < 20*tr.Requests || tr.Received < 16*tr.Requests {
			t.Errorf("traffic %+v", tr)
		}
		if r.ServerRead <= 0 || r.ServerWrite <= 0 || r.PerSecond() <= 0 {
			t.Errorf("report %+v", r)
		}
		if names, _, err := s.Children(t.Context(), "/"); err != nil || len(names) > 0 {
			t.Errorf("nodes %v are left: %v", names, err)
		}
		if n := target.Ephemerals(t); n != 0 {
			t.Errorf("%d ephemeral nodes are left", n)
		}
		if target.Server != nil && len(target.Server.Sessions()) > 1 {
			t.Errorf("sessions %x are left", target.Server.Sessions())
		}
	})
}

// The costs are those of docs/guarantees.md.
func TestCosts(t *testing.T) {
	for name, want := range map[string]Traffic{
		"lock":     {Requests: 3, RoundTrips: 2}, // create and list; delete
		"sequence": {Requests: 1, RoundTrips: 1}, // a conditional write, by a single client
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, connect := virtualServer(t)
				c := config3(named(t, name), connect)
				c.Clients, c.Ops = 1, 100
				r, err := Run(t.Context(), t.Context(), control(t, connect), c)
				if err != nil {
					t.Fatal(err)
				}
				if got := (Traffic{Requests: r.Traffic.Requests / 100, RoundTrips: r.Traffic.RoundTrips / 100}); got != want {
					t.Errorf("an operation takes %+v, want %+v", got, want)
				}
				if r.ServerRead != trip || r.ServerWrite != trip || r.Latency.P50 < time.Duration(want.RoundTrips)*trip {
					t.Errorf("round trips are %v and %v, the latency is %v", r.ServerRead, r.ServerWrite, r.Latency.P50)
				}
			})
		})
	}
}

func named(t *testing.T, name string) *Workload {
	t.Helper()
	i := slices.IndexFunc(Workloads, func(w *Workload) bool { return w.Name == name })
	if i < 0 {
		t.Fatalf("no workload %s", name)
	}
	return Workloads[i]
}

// The backlog waits in the queue while the operations run.
func TestBacklog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		most := 0
		srv, connect := virtualServer(t, func(srv *zktest.Server, r zktest.Request) {
			if r.Op == "multi" {
				most = max(most, strings.Count(srv.Tree(), "/items/"))
			}
		})
		s := control(t, connect)
		before := srv.Tree()
		c := config3(named(t, "queue"), connect)
		c.Backlog = 2500
		r, err := Run(t.Context(), t.Context(), s, c)
		if err != nil || r.Operations != c.Ops {
			t.Fatalf("%d operations: %v", r.Operations, err)
		}
		if most < c.Backlog {
			t.Errorf("there were at most %d items", most)
		}
		checkNothingLeft(t, srv, before, s)
	})
}

// A run ends after its duration.
func TestDuration(t *testing.T) {
	eachWorkload(t, func(t *testing.T, w *Workload) {
		synctest.Test(t, func(t *testing.T) {
			srv, connect := virtualServer(t)
			s := control(t, connect)
			before := srv.Tree()
			c := config3(w, connect)
			c.Ops, c.Duration = 0, 5*time.Second
			r, err := Run(t.Context(), t.Context(), s, c)
			if err != nil || r.Operations == 0 || r.Failed > 0 {
				t.Errorf("%d operations, %d failed: %v", r.Operations, r.Failed, err)
			}
			if r.Elapsed < c.Duration || r.Elapsed > c.Duration+time.Second {
				t.Errorf("it took %v", r.Elapsed)
			}
			checkNothingLeft(t, srv, before, s)
		})
	})
}

// Whenever a run is interrupted, it leaves nothing.
func TestInterrupted(t *testing.T) {
	eachWorkload(t, func(t *testing.T, w *Workload) {
		for n, interrupted := 1, true; interrupted; n += 1 + n/5 {
			t.Run(fmt.Sprintf("at request %d", n), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					requests := 0
					srv, connect := virtualServer(t, func(*zktest.Server, zktest.Request) {
						if requests++; requests == n {
							cancel()
						}
					})
					s := control(t, connect)
					before := srv.Tree()
					requests = 0
					r, err := Run(ctx, t.Context(), s, config3(w, connect))
					interrupted = err != nil
					if err != nil && !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
					if err == nil && r.Operations != 12 {
						t.Errorf("%d operations", r.Operations)
					}
					checkNothingLeft(t, srv, before, s)
				})
			})
		}
	})
}

// If the connection is lost for a while, with or without the sessions, the run continues
// and leaves nothing.
func TestConnectionLost(t *testing.T) {
	eachWorkload(t, func(t *testing.T, w *Workload) {
		for _, outage := range []time.Duration{time.Second, 20 * time.Second} {
			for _, moment := range []time.Duration{50 * time.Millisecond, 4 * time.Second} {
				t.Run(fmt.Sprintf("%v after %v", outage, moment), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						srv, connect := virtualServer(t)
						s := control(t, connect)
						before := srv.Tree()
						time.AfterFunc(moment, func() {
							heal := srv.PartitionAll()
							time.AfterFunc(outage, heal)
						})
						c := config3(w, connect)
						c.Ops, c.Duration = 0, moment+outage+time.Second
						r, err := Run(t.Context(), t.Context(), s, c)
						if err != nil || r.Operations == 0 {
							t.Errorf("%d operations, %d failed with %v: %v", r.Operations, r.Failed, r.FirstError, err)
						}
						checkNothingLeft(t, srv, before, s)
					})
				})
			}
		}
	})
}

// An interruption while there is no connection waits for it, and leaves nothing.
func TestInterruptedWithoutConnection(t *testing.T) {
	eachWorkload(t, func(t *testing.T, w *Workload) {
		for _, outage := range []time.Duration{2 * time.Second, time.Minute} {
			synctest.Test(t, func(t *testing.T) {
				srv, connect := virtualServer(t)
				s := control(t, connect)
				before := srv.Tree()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				time.AfterFunc(4*time.Second, func() {
					heal := srv.PartitionAll()
					time.AfterFunc(outage, heal)
					time.AfterFunc(outage/2, cancel)
				})
				c := config3(w, connect)
				c.Ops, c.Duration = 0, time.Hour
				r, err := Run(ctx, t.Context(), s, c)
				if !errors.Is(err, context.Canceled) || r.Operations == 0 {
					t.Errorf("%d operations: %v", r.Operations, err)
				}
				checkNothingLeft(t, srv, before, s)
			})
		}
	})
}

// If the clean-up is given up, the error names what may be left.
func TestCleanupGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cleanup, cancel := context.WithCancel(t.Context())
		srv, connect := virtualServer(t, func(_ *zktest.Server, r zktest.Request) {
			if r.Op == "closeSession" {
				cancel()
			}
		})
		s := control(t, connect)
		c := config3(named(t, "lock"), connect)
		_, err := Run(t.Context(), cleanup, s, c)
		var left *LeftError
		if !errors.As(err, &left) || left.Path != c.Path || !strings.Contains(srv.Tree(), left.Path) {
			t.Errorf("error is %v, with the nodes\n%s", err, srv.Tree())
		}
	})
}

// Errors that retries cannot help end the run, which leaves nothing.
func TestPermanentErrors(t *testing.T) {
	eachWorkload(t, func(t *testing.T, w *Workload) {
		synctest.Test(t, func(t *testing.T) {
			srv, connect := virtualServer(t)
			s := control(t, connect)
			before := srv.Tree()
			c := config3(w, connect)
			c.Ops = 0 // without an end
			c.Size = 2 << 20
			if !w.Sized {
				c.Connect = func(ctx context.Context, opts ...session.Option) (*session.Session, error) {
					return connect(ctx, append(opts, session.WithACL(session.ACL{Perms: session.PermAll, Scheme: "nonsense", ID: "x"}))...)
				}
			}
			_, err := Run(t.Context(), t.Context(), s, c)
			if err == nil || !permanent(err) {
				t.Errorf("error is %v", err)
			}
			checkNothingLeft(t, srv, before, s)
		})
	})
}

// A client that cannot connect ends the run.
func TestClientCannotConnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, connect := virtualServer(t)
		s := control(t, connect)
		before := srv.Tree()
		c := config3(named(t, "lock"), connect)
		refused := errors.New("refused")
		c.Connect = func(ctx context.Context, opts ...session.Option) (*session.Session, error) {
			if len(srv.Sessions()) > 2 {
				return nil, refused
			}
			return connect(ctx, opts...)
		}
		c.Clients = 40
		_, err := Run(t.Context(), t.Context(), s, c)
		if !errors.Is(err, refused) || !strings.Contains(err.Error(), "of 40: ") {
			t.Errorf("error is %v", err)
		}
		checkNothingLeft(t, srv, before, s)
	})
}

// The ancestors that a run creates are deleted at the end, unless others use them.
func TestAncestors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, connect := virtualServer(t)
		s := control(t, connect)
		if _, _, err := s.Create(t.Context(), "/a", nil); err != nil {
			t.Fatal(err)
		}
		before := srv.Tree()
		c := config3(named(t, "lock"), connect)
		c.Path = NewPath("/a/b/c")
		if _, err := Run(t.Context(), t.Context(), s, c); err != nil {
			t.Error(err)
		}
		checkNothingLeft(t, srv, before, s)

		connected := 0
		c.Connect = func(ctx context.Context, opts ...session.Option) (*session.Session, error) {
			if connected++; connected == 1 {
				_, _, err := s.Create(ctx, "/a/b/other", nil)
				if err != nil {
					return nil, err
				}
			}
			return connect(ctx, opts...)
		}
		c.Clients = 1
		if _, err := Run(t.Context(), t.Context(), s, c); err != nil {
			t.Error(err)
		}
		if err := s.Delete(t.Context(), "/a/b/other", session.AnyVersion); err != nil {
			t.Error(err)
		}
		if err := s.Delete(t.Context(), "/a/b", session.AnyVersion); err != nil {
			t.Error(err)
		}
		checkNothingLeft(t, srv, before, s)
	})
}
