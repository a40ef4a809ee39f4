package conn

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// Config is the configuration of the connections of a session.
type Config struct {
	Servers        []string                       // host:port, as in the connect string
	Root           string                         // the chroot: empty, or a path
	Timeout        time.Duration                  // the session timeout to request
	ConnectTimeout time.Duration                  // of connecting to one server
	Backoff        func(cycles int) time.Duration // after so many cycles in which no server could be used
	Dial           func(ctx context.Context, network, addr string) (net.Conn, error)
	Lookup         func(ctx context.Context, host string) ([]string, error) // nil if Dial gets names
	TLS            *tls.Config                                              // nil without TLS
	Auth           []Credential
	ACL            []wire.ACL // in requests of Probe and in proofs, which create no node
	MaxBuffer      int        // bytes of a request

	Outage     time.Duration // the longest outage that a lease with a stop time survives; 0 for a quarter of the timeout
	Steady     bool          // send proofs also while the session is idle
	SteadyStop time.Duration // the stop time that Steady allows

	Log *slog.Logger
	// Finished is called when a call has ended, in the goroutine that reads the
	// connection. received is the size of the reply, or 0 without a reply. It may be nil.
	Finished func(c *Call, received int)
	// Interrupted returns the error of a call that cannot continue because ctx is done.
	Interrupted func(ctx context.Context) error
}

// Credential authenticates a connection.
type Credential struct {
	Scheme string
	Data   []byte
}
