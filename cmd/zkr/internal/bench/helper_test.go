package bench

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// eachWorkload runs f as a subtest for each workload.
func eachWorkload(t *testing.T, f func(*testing.T, *Workload)) {
	for _, w := range Workloads {
		t.Run(w.Name, func(t *testing.T) { f(t, w) })
	}
}

// phases is a Progress that records the phases.
type phases struct {
	names []string
	steps atomic.Int64 // of the last phase
}

func (p *phases) Begin(phase string, total int64, d time.Duration) {
	p.names = append(p.names, phase)
	p.steps.Store(0)
}

func (p *phases) Add(n int64) { p.steps.Add(n) }

// config returns the configuration of a short run of w, with 3 clients.
func config3(w *Workload, connect func(context.Context, ...session.Option) (*session.Session, error)) Config {
	c := Config{Workload: w, Path: NewPath("/"), Clients: 3, Ops: 12, Connect: connect, Progress: &phases{}}
	if w.Sized {
		c.Size = 20
	}
	if w.Backlogged {
		c.Backlog = 5
	}
	return c
}

// trip is the time that a virtualServer takes for a request.
const trip = 20 * time.Millisecond

// virtualServer starts a server for a test in virtual time. It calls each function for every
// request.
func virtualServer(t *testing.T, each ...func(*zktest.Server, zktest.Request)) (*zktest.Server, func(context.Context, ...session.Option) (*session.Session, error)) {
	srv := zktest.New(t)
	for _, f := range each {
		srv.Fault(func(r zktest.Request) zktest.Fault {
			f(srv, r)
			return zktest.Pass
		})
	}
	srv.Inject(zktest.Rule{Delay: trip})
	return srv, func(ctx context.Context, opts ...session.Option) (*session.Session, error) {
		return session.Connect(ctx, "server:1", append(opts, session.WithDialer(srv.DialContext))...)
	}
}

// control connects the session of the command.
func control(t *testing.T, connect func(context.Context, ...session.Option) (*session.Session, error)) *session.Session {
	s, err := connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// checkNothingLeft checks that the tree is as before, and that no session but control is
// left.
func checkNothingLeft(t *testing.T, srv *zktest.Server, before string, control *session.Session) {
	t.Helper()
	if got := srv.Tree(); got != before {
		t.Errorf("the tree is\n%s\nand was\n%s", got, before)
	}
	if got := srv.Sessions(); len(got) != 1 || got[0] != control.Status().ID {
		t.Errorf("sessions %x, want only %x", got, control.Status().ID)
	}
	if got := srv.Watches(); len(got) > 0 {
		t.Errorf("watches are left: %v", got)
	}
}
