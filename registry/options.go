package registry

import (
	"errors"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// Errors that callers test for with errors.Is.
var (
	// ErrNoInstances is returned by Pick if the Resolver has no instance to pick from.
	ErrNoInstances = errors.New("registry: no instances")
	// ErrRegistered is returned if this session has registered the instance already.
	ErrRegistered = errors.New("registry: registered already by this session")
	// ErrDeregistered is returned by Update after Deregister.
	ErrDeregistered = errors.New("registry: deregistered")
	// ErrTaken is returned if another session owns the instance's node, or if the node
	// is an ownerless node.
	ErrTaken = errors.New("registry: the instance's node is taken")
	// ErrMalformed is reported if a node does not hold an instance of the layout.
	ErrMalformed = errors.New("registry: not an instance")
	// ErrClosed is returned after a Resolver was closed.
	ErrClosed = session.NewError("registry: closed", session.ErrClosed)
	// ErrStale is returned by Resolver.Err while the instances may be out of date. It
	// wraps the reason if there is one.
	ErrStale = session.NewError("registry: may be out of date", session.ErrStale)
)

// Option configures a Registry.
type Option func(*options)

type options struct {
	layout         Layout
	class          string
	enabled        bool
	malformed      func(error)
	failureBackoff time.Duration
	grace          time.Duration // negative: the session timeout
}

// defaultFailureBackoff is the default of WithFailureBackoff.
const defaultFailureBackoff = 10 * time.Second

func newOptions(opts []Option) options {
	o := options{malformed: func(error) {}, failureBackoff: defaultFailureBackoff, grace: -1}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// WithLayout selects the layout; the default is Curator. All clients of a root must
// use the same layout.
func WithLayout(l Layout) Option { return func(o *options) { o.layout = l } }

// WithPayloadClass adds the name of a Java class to payloads that are objects. Readers
// with a typed payload need it. It applies to layout Curator.
func WithPayloadClass(class string) Option { return func(o *options) { o.class = class } }

// WithEnabled writes the key "enabled" for every instance, as Curator does when its
// compatibility with versions before 2016 is turned off. By default the key is written
// only for a Disabled instance, which those versions cannot read. It applies to the
// layouts Curator and Spring.
func WithEnabled() Option { return func(o *options) { o.enabled = true } }

// WithMalformedHandler sets a function that is called for every node that is not an
// instance or may not be read. It is called once for each version of the node that a
// Lookup, a Watch or a Resolver reads, on the goroutine of that call; f may call the
// registry. The error is a *session.OpError with the node's path, which wraps
// ErrMalformed or the server's error. Other instances are not affected.
func WithMalformedHandler(f func(error)) Option { return func(o *options) { o.malformed = f } }

// WithFailureBackoff sets how long a Resolver does not pick an instance after
// NoteError; the default is 10 s.
func WithFailureBackoff(d time.Duration) Option { return func(o *options) { o.failureBackoff = d } }

// WithOutageGrace sets how long a Resolver continues to show instances that have not
// registered again after an outage that ended its ZooKeeper session; the default is
// the session timeout. With 0 no instance is kept.
//
// When many processes reconnect at the same time, each would otherwise find the
// instances of the others missing for a moment, although none of them has stopped. An
// instance that registers again, or another at its address, replaces the kept one. An
// instance whose node is deleted after that, by Deregister or at the end of its session,
// disappears immediately.
func WithOutageGrace(d time.Duration) Option {
	return func(o *options) { o.grace = max(d, 0) }
}
