//go:build ensemble

package zktest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

// testTimeout bounds every operation of real servers.
const testTimeout = 3 * time.Minute

// within returns a context for steps of a test that take seconds on real servers.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// eventually polls until ok returns true. It fails the test after testTimeout.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx := within(t, testTimeout)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never happened: %s", what)
		}
	}
}

// sessionTimeout is the longest timeout that the servers grant, since the clients send no
// pings.
const sessionTimeout = 40 * time.Second

// try opens a session at a server. It returns an error if the server does not serve yet.
func try(t *testing.T, addr string) (*rawClient, error) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	expired := time.AfterFunc(5*time.Second, cancel)
	c, err := dialRaw(ctx, addr, sessionTimeout)
	if err == nil && !expired.Stop() {
		c.closeConn()
		err = context.DeadlineExceeded
	}
	return c, err
}

// dial opens a session at a server, and retries until the server grants one.
func dial(t *testing.T, addr string) (c *rawClient) {
	t.Helper()
	var err error
	eventually(t, "a session at "+addr, func() bool {
		c, err = try(t, addr)
		return err == nil
	})
	t.Cleanup(c.closeConn)
	return c
}

func create(t *testing.T, c *rawClient, path, data string, flags int32) {
	t.Helper()
	req := &wire.CreateRequest{Path: path, Data: []byte(data), ACL: ztree.OpenACL, Flags: flags}
	if _, err := c.call(wire.OpCreate, req, &wire.Path{}); err != nil {
		t.Fatalf("create %s: %v", path, err)
	}
}

// insist calls f with a session, and with new sessions until it succeeds: the leader may
// step down at any moment.
func insist(t *testing.T, n *Node, what string, f func(*rawClient) error) {
	t.Helper()
	eventually(t, what, func() bool {
		c := dial(t, n.Addr())
		defer c.closeConn()
		c.conn.SetDeadline(time.Now().Add(sessionTimeout))
		err := f(c)
		if refused := (*rawError)(nil); errors.As(err, &refused) {
			t.Fatalf("%s: %v", what, err)
		}
		return err == nil
	})
}

func put(t *testing.T, n *Node, path, data string) {
	t.Helper()
	insist(t, n, "create "+path, func(c *rawClient) error {
		_, err := c.call(wire.OpCreate, &wire.CreateRequest{Path: path, Data: []byte(data), ACL: ztree.OpenACL}, &wire.Path{})
		if hasCode(err, wire.CodeNodeExists) {
			return nil // by an attempt whose reply was lost
		}
		return err
	})
}

func get(t *testing.T, n *Node, path string) string {
	t.Helper()
	var resp wire.GetDataResponse
	insist(t, n, "get "+path, func(c *rawClient) error {
		if _, err := c.call(wire.OpSync, &wire.Path{Path: path}, &wire.Path{}); err != nil {
			return err
		}
		_, err := c.call(wire.OpGetData, &wire.PathWatch{Path: path}, &resp)
		return err
	})
	return string(resp.Data)
}

// roles waits until one server leads and the others follow.
func roles(t *testing.T, c *Cluster) (leader *Node, followers []*Node) {
	t.Helper()
	leader, followers, err := c.Roles(within(t, testTimeout))
	if err != nil {
		t.Fatal(err)
	}
	return leader, followers
}

// successor waits until a server other than old leads.
func successor(t *testing.T, c *Cluster, old *Node) (leader *Node) {
	t.Helper()
	eventually(t, "a new leader", func() bool {
		leader = c.Leader()
		return leader != nil && leader != old
	})
	return leader
}

func (n *Node) serves(ctx context.Context) bool {
	_, err := n.state(ctx)
	return err == nil
}
