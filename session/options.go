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
	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// Option changes how Connect makes a session.
type Option func(*options)

// DialFunc makes the network connections of a session; addr is host:port, the
// host as the connect string names it.
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

// OpenACL lets everybody do everything. It is the default.
func OpenACL() []ACL { return []ACL{{PermAll, "world", "anyone"}} }

// CreatorACL lets those do everything who are authenticated as the creator is.
func CreatorACL() []ACL { return []ACL{{PermAll, "auth", ""}} }

type credential struct {
	scheme string
	data   []byte
}

type options struct {
	timeout        time.Duration
	connectTimeout time.Duration
	backoff        func(attempt int) time.Duration
	dial           DialFunc
	lookup         func(ctx context.Context, host string) ([]string, error) // nil if dial takes names
	tls            *tls.Config
	auth           []credential
	acl            []wire.ACL
	root           string
	receipts       string
	maxBuffer      int           // bytes of a request
	outage         time.Duration // that a holder with a stop time survives; 0 for a quarter of the timeout
	steady         bool          // prove the session also while nothing is held
	steadyStop     time.Duration
	log            *slog.Logger
	hooks          Hooks
	err            error // the first option that was refused
}

func newOptions(opts []Option) (*options, error) {
	o := &options{
		timeout:  10 * time.Second,
		dial:     (&net.Dialer{}).DialContext,
		lookup:   net.DefaultResolver.LookupHost,
		receipts: DefaultReceipts, maxBuffer: defaultMaxBuffer,
		log: slog.New(slog.DiscardHandler),
	}
	WithACL(OpenACL()...)(o)
	for _, opt := range opts {
		opt(o)
	}
	if o.connectTimeout == 0 {
		o.connectTimeout = o.timeout / 3
	}
	if o.backoff == nil {
		o.backoff = defaultBackoff(o.timeout)
	}
	return o, o.err
}

func (o *options) refuse(format string, args ...any) {
	if o.err == nil {
		o.err = fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)
	}
}

// defaultBackoff spares an ensemble that is down, and is short enough for a session
// that can still be resumed.
func defaultBackoff(timeout time.Duration) func(attempt int) time.Duration {
	pause := backoff.Doubling(50*time.Millisecond, min(max(timeout/10, 100*time.Millisecond), 5*time.Second))
	return func(attempt int) time.Duration {
		d := pause(attempt)
		return d/2 + rand.N(d)
	}
}

// WithTimeout asks for a session timeout; the default is 10 s. The server may
// grant another (by default it keeps to 2 and 20 of its ticks); Session.Timeout
// tells which.
func WithTimeout(d time.Duration) Option {
	return func(o *options) {
		if d < time.Millisecond || d > 24*time.Hour {
			o.refuse("session timeout %v", d)
		}
		o.timeout = d
	}
}

// WithConnectTimeout bounds the attempt at one server: looking it up, dialling, the TLS
// handshake and the answer to the session's request. The default is a third of
// the session timeout.
func WithConnectTimeout(d time.Duration) Option {
	return func(o *options) {
		if d <= 0 {
			o.refuse("connect timeout %v", d)
		}
		o.connectTimeout = d
	}
}

// WithBackoff sets the pause after every server has been tried without success.
// attempt counts how often that has happened in a row, from 1. A session retries
// until it is closed; if pause does not return a positive duration, it waits for a
// second. By default the pause doubles from 50 ms to a tenth of the
// session timeout, but at most 5 s, with jitter of half of it.
func WithBackoff(pause func(attempt int) time.Duration) Option {
	return func(o *options) {
		if pause == nil {
			o.refuse("no backoff")
			return
		}
		o.backoff = func(attempt int) time.Duration {
			if d := pause(attempt); d > 0 {
				return d
			}
			return time.Second
		}
	}
}

// WithDialer replaces the default dialer: for proxies, and for the in-memory
// network of package zktest. The default dialer looks each host up again whenever
// all servers have been tried, and tries each of its addresses as a server. A
// DialFunc gets the host as the connect string names it, and does its own lookup.
func WithDialer(d DialFunc) Option {
	return func(o *options) {
		if d == nil {
			o.refuse("no dialer")
			return
		}
		o.dial, o.lookup = d, nil
	}
}

// WithTLS encrypts connections. Unless c names a server, each server's
// certificate is checked against its name in the connect string.
func WithTLS(c *tls.Config) Option {
	return func(o *options) {
		if c == nil {
			o.refuse("no TLS configuration")
		}
		o.tls = c.Clone()
	}
}

// WithAuth authenticates every connection of the session before anything else
// is sent on it, for example with "digest" and "user:password". It may be given
// several times.
func WithAuth(scheme string, cred []byte) Option {
	return func(o *options) {
		if scheme == "" {
			o.refuse("authentication without a scheme")
		}
		o.auth = append(o.auth, credential{scheme, append([]byte(nil), cred...)})
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

// WithChroot puts path before every path of the session, behind the chroot of
// the connect string if it has one. Nodes of it that do not exist are created
// when a recipe first needs them.
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

// WithReceipts says under which node the session keeps its receipts, which make
// the outcome of TxnWithReceipt known; the default is DefaultReceipts. The node is
// created when it is first needed. With an empty path there are no receipts, and
// a lost reply is ErrUnknown as often as Txn's is.
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

// defaultMaxBuffer is jute.maxbuffer where it is not configured.
const defaultMaxBuffer = 0xfffff

// WithMaxBuffer says how many bytes a request may have. Use it where the servers'
// jute.maxbuffer is larger than the default, 1048575, which is also the least that
// may be given here. The recipes' limits follow it; see Session.MaxPayload.
//
// All servers must accept as much. A server closes the connection on a longer
// request, and after a few attempts the call fails with ErrRejected.
func WithMaxBuffer(bytes int) Option {
	return func(o *options) {
		if bytes < defaultMaxBuffer || bytes > 1<<30 {
			o.refuse("a request of up to %d bytes: not from %d to %d", bytes, defaultMaxBuffer, 1<<30)
			return
		}
		o.maxBuffer = bytes
	}
}

// WithLogger logs what the session does. The default is silence.
func WithLogger(l *slog.Logger) Option {
	return func(o *options) {
		if l != nil {
			o.log = l
		}
	}
}

// WithHooks has h called; see Hooks.
func WithHooks(h Hooks) Option {
	return func(o *options) { o.hooks = h }
}

// Hooks are functions that the session calls, to measure it. Each may be nil.
type Hooks struct {
	// State is called with every status, in order, one call at a time, from a
	// goroutine of its own, which Close waits for.
	State func(Status)
	// Request is called when a request has ended, from the goroutine that reads
	// the connection: it must be quick and must not call the session.
	Request func(RequestInfo)
	// Blocked is called when something waits for a node that no session owns, once
	// for each node. The error names the node and wraps ErrNoOwner. It may be called
	// by several goroutines at the same time.
	Blocked func(error)
}

// RequestInfo is what Hooks.Request is told.
type RequestInfo struct {
	Op       string        // ZooKeeper's name of the operation: "create2", "getData"
	Path     string        // as the server sees it, chroot included; a transaction has none
	Duration time.Duration // from when it was handed to the connection to its end
	Sent     int           // bytes, the frame included
	Received int           // bytes, the frame included; 0 when there was no answer
	Err      error         // nil, the server's answer, or why there was none
}

func toWireACL(acl []ACL) []wire.ACL {
	w := make([]wire.ACL, len(acl))
	for i, a := range acl {
		w[i] = wire.ACL{Perms: int32(a.Perms), Scheme: a.Scheme, ID: a.ID}
	}
	return w
}
