package barrier

import (
	"errors"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/enum"
	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/identity"
	"github.com/zkrecipes/zkrecipes/session"
)

// Errors that callers test for with errors.Is.
var (
	// ErrFull is returned by Enter if the barrier already has its number of members
	// and not all of them have left.
	ErrFull = errors.New("barrier: full")
	// ErrLost is the cause of an entry's context if the membership ended without Leave
	// or Release. Enter returns it if the membership ended after the round had begun.
	// It wraps the reason.
	ErrLost = session.NewError("barrier: membership lost", session.ErrLost)
	// ErrLeft is the cause of an entry's context after Leave or Release, and the error
	// of a second one.
	ErrLeft = errors.New("barrier: left")
)

// Option configures a Barrier or a Double.
type Option func(*options)

type options struct {
	id            string
	loseOnSuspend bool
	stopTime      time.Duration
	layout        Layout
}

// check returns the error of the first bad argument.
func (o options) check(s *session.Session, path string, more ...error) error {
	return args.Check("barrier", s, path, append(more, enum.Check("layout", layoutNames, o.layout, session.ErrInvalid))...)
}

func newOptions(opts []Option) options {
	o := options{id: identity.Default()}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// WithID labels the nodes that this client creates, for operators. The default is
// host:pid.
func WithID(id string) Option { return func(o *options) { o.id = id } }

// WithLoseOnSuspend ends an entry of a Double as soon as the connection breaks, and
// not only at the session's deadline.
func WithLoseOnSuspend() Option { return func(o *options) { o.loseOnSuspend = true } }

// WithStopTime ends an entry of a Double d before its deadline, so that the holder can
// stop before the session can end on the server. From then on Context is done. The
// node stays until Leave or Release is called or d has passed, also if the connection
// recovers in the meantime, so that the other members do not see this member leave
// during that time. If a client deletes the node, a server ends the session, or the
// session is closed, the entry ends immediately, without a stop time.
//
// The longest d is Session.MaxStopTime, about a third of the session timeout that the
// server has granted; a longer one is refused with session.ErrInvalid. Outages of a
// quarter of the timeout are still survived; for that the session sends up to four
// times as many proofs. After the session was idle, a first entry takes a quarter of
// the timeout longer; see session.WithSteadyProofs.
func WithStopTime(d time.Duration) Option { return func(o *options) { o.stopTime = d } }

// WithLayout selects the names of a Double's nodes. All clients of a barrier must use
// the same layout. If l is not one of the constants, calls return session.ErrInvalid.
func WithLayout(l Layout) Option { return func(o *options) { o.layout = l } }
