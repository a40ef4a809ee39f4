package bench

import (
	"context"
	"slices"
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
				if trip := time.Millisecond; r.ServerRead != trip || r.ServerWrite != trip || r.Latency.P50 < time.Duration(want.RoundTrips)*trip {
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
