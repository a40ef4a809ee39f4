package barrier_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const path = "/app/barrier"

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

// in waits for an Enter that must succeed.
func in(t testing.TB, c <-chan entered) *barrier.Entry {
	t.Helper()
	e := testkit.Receive(t, c)
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
		if err := testkit.Receive(t, c); err != nil {
			t.Errorf("Leave: %v", err)
		}
	}
}

// nothingLeft checks that the sessions have left no watch, no ephemeral node and no child
// of path.
func nothingLeft(t testing.TB, target *zktest.Target, sessions ...*session.Session) {
	t.Helper()
	testkit.NothingLeft(t, target, sessions...)
	if names := testkit.Children(t, sessions[0], path); len(names) != 0 {
		t.Errorf("%s has the children %q", path, names)
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

// waits waits until one who waits watches all that it does.
func waits(t testing.TB, target *zktest.Target, s *session.Session) {
	t.Helper()
	for end := time.Now().Add(testkit.Limit); target.Watches(t) < 3; {
		if time.Now().After(end) {
			t.Fatal("nobody waits")
		}
		if err := s.Sync(t.Context(), "/"); err != nil {
			t.Fatal(err)
		}
	}
}

// tick makes sessions live four ticks, as is usual.
const tick = 2500 * time.Millisecond

// still checks, in a bubble, that an Enter has not returned.
func still(t *testing.T, c <-chan entered) {
	t.Helper()
	synctest.Wait()
	select {
	case e := <-c:
		t.Fatalf("it has entered: %+v", e)
	default:
	}
}

// member enters in the background, as one of n.
func member(ctx context.Context, s *session.Session, n int) <-chan entered {
	return entering(ctx, barrier.NewDouble(s, path, n))
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
