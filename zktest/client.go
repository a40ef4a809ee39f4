package zktest

import (
	"context"
	"net"
	"testing"

	client "github.com/zkrecipes/zkrecipes/session"
)

// A Client is a network location: its connections can be cut off together, whatever
// their sessions are. Use it to test a client whose ZooKeeper session expires during a
// partition. [Server.Partition] cuts off one session, so a client that opens a new
// session is connected again.
type Client struct{ server *Server }

// Client returns a new network location. A client is at it if it dials with
// [Client.DialContext].
func (s *Server) Client() *Client { return &Client{s} }

// DialContext is [Server.DialContext] for connections of this client.
func (c *Client) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return c.server.dial(ctx, network, addr, c.server.named(addr), c)
}

// Session connects a session of this client in memory. It is closed when the test ends.
func (c *Client) Session(t testing.TB, opts ...client.Option) *client.Session {
	t.Helper()
	return connectSession(t, "zktest:2181", append([]client.Option{client.WithDialer(c.DialContext)}, opts...))
}

// Partition makes the network drop everything on the client's connections, in both
// directions, whatever their sessions are. New connections are affected too. All stay
// open, so neither side notices. heal closes the affected connections.
func (c *Client) Partition() (heal func()) { return c.server.addPartition(&partition{client: c}) }
