package barrier_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

const path = "/app/barrier"

// patience bounds what a test waits for.
const patience = 5 * time.Minute

// entered is what became of an Enter.
type entered struct {
	*barrier.Entry
	err error
}

// entering enters in the background.
func entering(ctx context.Context, d *barrier.Double) <-chan entered {
	c := make(chan entered, 1)
	go func() {
		e, err := d.Enter(ctx)
		c <- entered{e, err}
	}()
	return c
}

// await receives from c. In a bubble, a day passes soon.
func await[T any](t testing.TB, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(24 * time.Hour):
		t.Fatal("waited in vain")
	}
	return v
}

// in waits for an Enter that must succeed.
func in(t testing.TB, c <-chan entered) *barrier.Entry {
	t.Helper()
	e := await(t, c)
	if e.err != nil {
		t.Fatalf("Enter: %v", e.err)
	}
	if err := e.Err(); err != nil {
		t.Fatalf("entered, and Err is %v", err)
	}
	return e.Entry
}

// leaving leaves in the background.
func leaving(ctx context.Context, e *barrier.Entry) <-chan error {
	c := make(chan error, 1)
	go func() { c <- e.Leave(ctx) }()
	return c
}

// out leaves with all entries.
func out(t testing.TB, es ...*barrier.Entry) {
	t.Helper()
	var cs []<-chan error
	for _, e := range es {
		cs = append(cs, leaving(t.Context(), e))
	}
	for _, c := range cs {
		if err := await(t, c); err != nil {
			t.Errorf("Leave: %v", err)
		}
	}
}

// children lists what there is below path, after a sync.
func children(t testing.TB, s *session.Session) []string {
	t.Helper()
	if err := s.Sync(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	names, _, err := s.Children(t.Context(), path)
	if err != nil && !errors.Is(err, session.ErrNoNode) {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// there waits until path has n children.
func there(t testing.TB, s *session.Session, n int) {
	t.Helper()
	for end := time.Now().Add(patience); len(children(t, s)) != n; {
		if time.Now().After(end) {
			t.Fatalf("there are %v, and not %d", children(t, s), n)
		}
	}
}

// clean checks that nothing of the sessions is left but their receipts.
func clean(t testing.TB, target *zktest.Target, ss ...*session.Session) {
	t.Helper()
	for _, s := range ss {
		for range 2 { // the removal of the last watch is before the second: a read that was given up has it sent before the first is answered
			if err := s.Sync(t.Context(), "/"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := target.Watches(t); n != 0 {
		t.Errorf("%d watches are left", n)
	}
	receipts, _, err := ss[0].Children(t.Context(), session.DefaultReceipts)
	if err != nil && !errors.Is(err, session.ErrNoNode) {
		t.Fatal(err)
	}
	if n := target.Ephemerals(t) - len(receipts); n != 0 {
		t.Errorf("%d nodes are left", n)
	}
	if names := children(t, ss[0]); len(names) != 0 {
		t.Errorf("below the path are left %v", names)
	}
}

// gate is the network of one session, which can be closed.
type gate struct {
	srv    *zktest.Server
	mu     sync.Mutex
	closed bool
	conns  []net.Conn
}

func (g *gate) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, errors.New("closed")
	}
	c, err := g.srv.DialContext(ctx, network, addr)
	g.conns = append(g.conns, c)
	return c, err
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for _, c := range g.conns {
		c.Close()
	}
	g.conns = nil
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = false
}
