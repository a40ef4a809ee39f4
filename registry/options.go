package registry

import (
	"errors"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// Errors to decide by, with errors.Is.
var (
	// ErrNoInstances says that a Resolver has nothing to pick from.
	ErrNoInstances = errors.New("registry: no instances")
	// ErrRegistered says that this session has registered the instance already.
	ErrRegistered = errors.New("registry: registered already by this session")
	// ErrDeregistered is the result of an Update after Deregister.
	ErrDeregistered = errors.New("registry: deregistered")
	// ErrTaken says that somebody else's node has the place of the instance's.
	ErrTaken = errors.New("registry: the instance's node is somebody else's")
	// ErrMalformed says that a node does not hold what the layout asks for.
	ErrMalformed = errors.New("registry: not an instance")
	// ErrClosed says that a Resolver was closed.
	ErrClosed = session.NewError("registry: closed", session.ErrClosed)
	// ErrStale is why Resolver.Err is not nil while the instances may be out of date. It
	// wraps the reason if there is one.
	ErrStale = session.NewError("registry: may be out of date", session.ErrStale)
)

// Option changes a registry.
type Option func(*options)

type options struct {
	layout    Layout
	class     string
	enabled   bool
	malformed func(error)
	rest      time.Duration
	grace     time.Duration // negative: the session timeout
}

// defaultRest is for how long an instance is passed over after an error.
const defaultRest = 10 * time.Second

func newOptions(opts []Option) options {
	o := options{malformed: func(error) {}, rest: defaultRest, grace: -1}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// WithLayout chooses the layout; the default is Curator. All who use a root must
// choose the same.
func WithLayout(l Layout) Option { return func(o *options) { o.layout = l } }

// WithPayloadClass has payloads that are objects carry the name of a Java class,
// which readers need whose payload has a type. For layout Curator.
func WithPayloadClass(class string) Option { return func(o *options) { o.class = class } }

// WithEnabled writes the key "enabled" for every instance, as Curator does when its
// compatibility with versions before 2016 is turned off. By default the key is written
// only for a Disabled instance, which those versions cannot read. It applies to the
// layouts Curator and Spring.
func WithEnabled() Option { return func(o *options) { o.enabled = true } }

// WithMalformedHandler has f called for every node that is not an instance or may not be
// read, once for each version of it that a Lookup, a Watch or a Resolver comes
// across, from the goroutine that does; f may call the registry. The error wraps ErrMalformed or the
// server's answer in a *session.OpError, which has the path. The other instances
// are not affected.
func WithMalformedHandler(f func(error)) Option { return func(o *options) { o.malformed = f } }

// WithFailureBackoff says for how long a Resolver passes over an instance after NoteError;
// the default is 10 s.
func WithFailureBackoff(d time.Duration) Option { return func(o *options) { o.rest = d } }

// WithOutageGrace says for how long a Resolver goes on showing instances that have
// not come back after an outage that has ended its ZooKeeper session; the default is
// the session timeout. When many processes come back at the same time, each finds the
// others' instances missing for a moment, though none of them has stopped. An
// instance that has come back, or another at its address, takes the place of what was
// kept; one that goes after that disappears at once. 0 keeps nothing.
func WithOutageGrace(d time.Duration) Option {
	return func(o *options) { o.grace = max(d, 0) }
}
