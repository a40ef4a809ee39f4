package session

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// config is the configuration of the connections of a session.
type config struct {
	Servers        []string      // host:port, as in the connect string
	Root           string        // the chroot: empty, or a path
	Timeout        time.Duration // the session timeout to request
	ConnectTimeout time.Duration // of one attempt to connect to one server
	Backoff        func(attempt int) time.Duration
	Dial           func(ctx context.Context, network, addr string) (net.Conn, error)
	Lookup         func(ctx context.Context, host string) ([]string, error) // nil if Dial gets names
	TLS            *tls.Config                                              // nil without TLS
	Auth           []credential
	ACL            []wire.ACL // of the nodes that requests of the package ask for, and never create
	MaxBuffer      int        // bytes of a request

	Outage     time.Duration // the longest outage that a lease with a stop time survives; 0 for a quarter of the timeout
	Steady     bool          // send proofs also while the session is idle
	SteadyStop time.Duration

	Log *slog.Logger
	// Finished is called when a call has ended, in the goroutine that reads the
	// connection. received is the size of the reply, or 0 without a reply. It may be nil.
	Finished func(c *call, received int)
	// Interrupted returns the error of a call that cannot continue because ctx is done.
	Interrupted func(ctx context.Context) error
}

// credential authenticates a connection.
type credential struct {
	Scheme string
	Data   []byte
}
