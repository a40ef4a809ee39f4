package session

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
	"github.com/zkrecipes/zkrecipes/internal/client/conn"
	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// Option configures a session; see Connect.
type Option func(*options)

// DialFunc makes a network connection for a session. addr is host:port, with the host
// as the connect string names it.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// ACL is one entry of an access control list: permissions for an id of a
// scheme ("world" "anyone", "auth" "", "digest" "user:hash", "ip" "10.0.0.0/8").
type ACL struct {
	Perms  Perm
	Scheme string
	ID     string
}

// Perm is a set of permissions.
type Perm int32

// The permissions of an ACL entry.
const (
	PermRead   = Perm(wire.PermRead)
	PermWrite  = Perm(wire.PermWrite)
	PermCreate = Perm(wire.PermCreate)
	PermDelete = Perm(wire.PermDelete)
	PermAdmin  = Perm(wire.PermAdmin)
	PermAll    = Perm(wire.PermAll)
)

// OpenACL returns an ACL that gives all permissions to all clients. It is the default.
func OpenACL() []ACL { return []ACL{{PermAll, "world", "anyone"}} }

// CreatorACL returns an ACL that gives all permissions to clients with the same
// authentication as the creator of the node.
func CreatorACL() []ACL { return []ACL{{PermAll, "auth", ""}} }

type options struct {
	conn     conn.Config
	acl      []wire.ACL
	root     string
	receipts string
	hooks    Hooks
	err      error // the first option that was refused
}

func newOptions(opts []Option) (*options, error) {
	o := &options{
		conn: conn.Config{
			Timeout:   10 * time.Second,
			Dial:      (&net.Dialer{}).DialContext,
			Lookup:    net.DefaultResolver.LookupHost,
			MaxBuffer: defaultMaxBuffer,
			Log:       slog.New(slog.DiscardHandler),
		},
		receipts: DefaultReceipts,
	}
	WithACL(OpenACL()...)(o)
	for _, opt := range opts {
		opt(o)
	}
	if o.conn.ConnectTimeout == 0 {
		o.conn.ConnectTimeout = o.conn.Timeout / 3
	}
	if o.conn.Backoff == nil {
		o.conn.Backoff = defaultBackoff(o.conn.Timeout)
	}
	o.conn.ACL = o.acl
	if f := o.hooks.Request; f != nil {
		o.conn.Finished = func(c *conn.Call, received int) {
			f(RequestInfo{
				Op: c.Op.String(), Path: c.Path, Duration: time.Since(c.Sent),
				Sent: c.Size, Received: received, Err: c.Result(),
			})
		}
	}
	return o, o.err
}

func (o *options) refuse(format string, args ...any) {
	if o.err == nil {
		o.err = fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)
	}
}

// defaultBackoff returns pauses that do not overload an ensemble, and are short enough
// to resume the ZooKeeper session before it expires.
func defaultBackoff(timeout time.Duration) func(cycles int) time.Duration {
	pause := backoff.Doubling(50*time.Millisecond, min(max(timeout/10, 100*time.Millisecond), 5*time.Second))
	return func(cycles int) time.Duration {
		d := pause(cycles)
		return d/2 + rand.N(d)
	}
}

// WithTimeout sets the session timeout that is requested; the default is 10 s. The
// server may grant another timeout, by default one between 2 and 20 of its ticks;
// Session.Timeout returns it.
func WithTimeout(d time.Duration) Option {
	return func(o *options) {
		if d < time.Millisecond || d > 24*time.Hour {
			o.refuse("session timeout %v", d)
		}
		o.conn.Timeout = d
	}
}

// WithConnectTimeout bounds how long connecting to one server takes: the lookup, the
// dial, the TLS handshake and the ZooKeeper handshake. The default is a third of the
// session timeout.
func WithConnectTimeout(d time.Duration) Option {
	return func(o *options) {
		if d <= 0 {
			o.refuse("connect timeout %v", d)
		}
		o.conn.ConnectTimeout = d
	}
}

// WithBackoff sets the pause after all servers have been tried without success.
// cycles counts, from 1, how often that has happened in a row. A session retries
// until it is closed; if pause does not return a positive duration, it waits for a
// second. By default the pause doubles from 50 ms to a tenth of the
// session timeout, but at most 5 s, with jitter of half of it.
func WithBackoff(pause func(cycles int) time.Duration) Option {
	return func(o *options) {
		if pause == nil {
			o.refuse("no backoff")
			return
		}
		o.conn.Backoff = func(cycles int) time.Duration {
			if d := pause(cycles); d > 0 {
				return d
			}
			return time.Second
		}
	}
}

// WithDialer replaces the default dialer. Use it for proxies and for the in-memory
// network of package zktest.
//
// The default dialer looks each host up again whenever all servers have been tried,
// and tries each address of the host as a separate server. A DialFunc gets the host as
// the connect string names it and does its own lookup.
func WithDialer(d DialFunc) Option {
	return func(o *options) {
		if d == nil {
			o.refuse("no dialer")
			return
		}
		o.conn.Dial, o.conn.Lookup = d, nil
	}
}

// WithTLS encrypts connections. Unless c names a server, each server's
// certificate is checked against its name in the connect string.
func WithTLS(c *tls.Config) Option {
	return func(o *options) {
		if c == nil {
			o.refuse("no TLS configuration")
		}
		o.conn.TLS = c.Clone()
	}
}

// WithAuth authenticates every connection of the session before other requests are
// sent on it, for example with "digest" and "user:password". It may be used several
// times.
func WithAuth(scheme string, cred []byte) Option {
	return func(o *options) {
		if scheme == "" {
			o.refuse("authentication without a scheme")
		}
		o.conn.Auth = append(o.conn.Auth, conn.Credential{Scheme: scheme, Data: append([]byte(nil), cred...)})
	}
}

// WithACL sets the access control list of the nodes that the session creates.
// The default is OpenACL.
func WithACL(acl ...ACL) Option {
	return func(o *options) {
		if len(acl) == 0 {
			o.refuse("empty ACL")
		}
		o.acl = toWireACL(acl)
	}
}

// WithChroot prefixes every path of the session with path. It follows the chroot of
// the connect string, if there is one. Missing nodes of the chroot are created when a
// recipe first needs them.
func WithChroot(path string) Option {
	return func(o *options) {
		path = strings.TrimRight(path, "/")
		if path == "" {
			return
		}
		if err := checkPath(path); err != nil && o.err == nil {
			o.err = err
		}
		o.root += path
	}
}

// WithReceipts sets the node under which the session creates its receipts, which make
// the outcome of TxnWithReceipt known. The default is DefaultReceipts. The node is
// created when it is first needed. With an empty path there are no receipts, and
// TxnWithReceipt returns ErrUnknown in the same cases as Txn.
func WithReceipts(path string) Option {
	return func(o *options) {
		if path != "" {
			if err := checkPath(path); err != nil && o.err == nil {
				o.err = err
			}
		}
		o.receipts = path
	}
}

// defaultMaxBuffer is the default of jute.maxbuffer.
const defaultMaxBuffer = 0xfffff

// WithMaxBuffer sets the maximal size of a request in bytes. Use it if jute.maxbuffer
// of the servers is larger than the default, 1048575, which is also the minimum here.
// The limits of the recipes follow from it; see Session.MaxPayload.
//
// All servers must accept requests of this size. A server closes the connection on a
// longer request, and after a few tries the call fails with ErrRejected.
func WithMaxBuffer(bytes int) Option {
	return func(o *options) {
		if bytes < defaultMaxBuffer || bytes > 1<<30 {
			o.refuse("a request of up to %d bytes: not from %d to %d", bytes, defaultMaxBuffer, 1<<30)
			return
		}
		o.conn.MaxBuffer = bytes
	}
}

// WithLogger sets the logger of the session. By default nothing is logged.
func WithLogger(l *slog.Logger) Option {
	return func(o *options) {
		if l != nil {
			o.conn.Log = l
		}
	}
}

// WithHooks sets functions that the session calls; see Hooks.
func WithHooks(h Hooks) Option {
	return func(o *options) { o.hooks = h }
}

// Hooks are functions that the session calls, for metrics and alerts. Each may be nil.
type Hooks struct {
	// State is called with every status, in order, one call at a time, in a separate
	// goroutine that Close waits for.
	State func(Status)
	// Request is called when a request has ended, in the goroutine that reads the
	// connection. It must be fast and must not call the session.
	Request func(RequestInfo)
	// Blocked is called when a recipe waits for an ownerless node, once for each node.
	// The error names the node and wraps ErrNoOwner. Several goroutines may call it
	// at the same time.
	Blocked func(error)
}

// RequestInfo describes a request that has ended.
type RequestInfo struct {
	Op       string        // ZooKeeper's name of the operation: "create2", "getData"
	Path     string        // as the server sees it, with the chroot; empty for a transaction
	Duration time.Duration // from the moment it was given to the connection
	Sent     int           // bytes, with the frame's header
	Received int           // bytes, with the frame's header; 0 if there was no reply
	Err      error         // nil, the server's error, or why there was no reply
}

func toWireACL(acl []ACL) []wire.ACL {
	w := make([]wire.ACL, len(acl))
	for i, a := range acl {
		w[i] = wire.ACL{Perms: int32(a.Perms), Scheme: a.Scheme, ID: a.ID}
	}
	return w
}
