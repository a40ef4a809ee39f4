package zktest

import (
	"context"
	"net"
	"testing"

	client "github.com/zkrecipes/zkrecipes/session"
)

// A Client is the place of a client in the network: its connections can be cut off
// whatever sessions they have. [Server.Partition] cuts off one session, and a
// client whose session is lost comes back with a new one.
type Client struct{ server *Server }

// Client returns a new place in the network. A client is there if it dials through
// [Client.DialContext].
func (s *Server) Client() *Client { return &Client{s} }

// DialContext is [Server.DialContext] for connections of this client.
func (c *Client) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return c.server.dial(ctx, network, addr, c.server.named(addr), c)
}

// Session connects this client in memory, and closes the session with the test.
func (c *Client) Session(t testing.TB, opts ...client.Option) *client.Session {
	t.Helper()
	return connectSession(t, "zktest:2181", append([]client.Option{client.WithDialer(c.DialContext)}, opts...))
}

// Partition makes the network swallow what the client's connections carry, in both
// directions: those it has, and those it opens, whatever their sessions. They stay
// open, so that neither side notices. After heal they are cut.
func (c *Client) Partition() (heal func()) { return c.server.addPartition(&partition{client: c}) }
