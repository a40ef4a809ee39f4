package barrier

import (
	"errors"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/enum"
	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/identity"
	"github.com/zkrecipes/zkrecipes/session"
)

// Errors to decide by, with errors.Is.
var (
	// ErrFull says that as many members as there are to be have come already, and
	// have not all left.
	ErrFull = errors.New("barrier: full")
	// ErrLost is the cause of an entry's context when the membership ended without
	// Leave, and the error of an Enter whose membership ended when the round had
	// begun already. It wraps the reason.
	ErrLost = session.NewError("barrier: membership lost", session.ErrLost)
	// ErrLeft is the cause of an entry's context after Leave, and the result of a
	// second one.
	ErrLeft = errors.New("barrier: left")
)

// Option changes a barrier.
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

// WithID labels the nodes that are created here, for people. The default is
// host:pid.
func WithID(id string) Option { return func(o *options) { o.id = id } }

// WithLoseOnSuspend ends an entry of a Double as soon as the connection
// breaks, and not only at the session's deadline.
func WithLoseOnSuspend() Option { return func(o *options) { o.loseOnSuspend = true } }

// WithStopTime ends an entry of a Double d before its deadline, so that the holder can
// finish stopping before the session can end on the server: from then on Context is
// done, and the node stays until Leave is called or d has passed, also if the
// connection recovers in between, so that nobody else owns meanwhile. There is no
// such time if somebody removes the node, if a server ends the session, and when the
// session is closed: that ends ownership at once.
//
// The longest d is Session.MaxStopTime, about a third of the session timeout that
// the server has granted; a longer one is refused with session.ErrInvalid. Outages
// of a quarter of the timeout are survived all the same, for which the session
// proves itself up to four times as often. After a rest, a first entry takes a
// quarter of the timeout longer; see session.WithSteadyProofs.
func WithStopTime(d time.Duration) Option { return func(o *options) { o.stopTime = d } }

// WithLayout chooses the names of a Double's nodes. All who use it must choose the
// same. With one that is not among the constants, calls return session.ErrInvalid.
func WithLayout(l Layout) Option { return func(o *options) { o.layout = l } }
