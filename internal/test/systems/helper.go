package systems

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// limit bounds every wait of a test.
const limit = 5 * time.Minute

// receive receives from c within the limit. What describes the value in the failure.
func receive[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(limit):
		t.Fatalf("no %s within %v", what, limit)
	}
	return v
}

// withinLimit returns a context that ends after the limit, or when the test ends.
func withinLimit(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return ctx
}

// network is the network of one session. It can be cut.
type network struct {
	mu    sync.Mutex
	isCut bool
	conns []net.Conn
}

func (n *network) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.isCut {
		c.Close()
		return nil, errors.New("the network is cut")
	}
	n.conns = append(n.conns, c)
	return c, nil
}

// cut closes all connections and refuses new ones, so that the servers see what they
// see when a process is killed.
func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.isCut = true
	for _, c := range n.conns {
		c.Close()
	}
}

func (n *network) wasCut() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.isCut
}

// client has a session with a separate network, as a process on another machine has.
type client struct {
	session *session.Session
	network network
}

// newClient connects a client, which is closed when the test ends.
func newClient(t testing.TB, target *zktest.Target, opts ...session.Option) *client {
	t.Helper()
	c := &client{}
	var err error
	opts = append(opts, session.WithTimeout(4*time.Second), session.WithDialer(c.network.dial))
	if c.session, err = session.Connect(withinLimit(t), target.Connect(), opts...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.close(t) })
	return c
}

// close closes the session. That must succeed unless the network is cut.
func (c *client) close(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cut := c.network.wasCut()
	if cut {
		cancel()
	}
	if err := c.session.Close(ctx); err != nil && !cut {
		t.Error(err)
	}
}

// connectTo connects to a single server.
func connectTo(t testing.TB, target *zktest.Target, host string) *session.Session {
	t.Helper()
	s, err := session.Connect(withinLimit(t), host+target.Root())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	return s
}

// newForeignClient connects a client that uses go-zookeeper directly.
func newForeignClient(t testing.TB, target *zktest.Target) *zk.Conn {
	t.Helper()
	conn, _, err := zk.Connect(strings.Split(target.Hosts(), ","), 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return conn
}

var openACL = zk.WorldACL(zk.PermAll)
