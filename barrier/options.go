package barrier

import (
	"errors"

	"github.com/zkrecipes/zkrecipes/internal/identity"
)

// Errors to decide by, with errors.Is.
var (
	// ErrFull says that as many members as there are to be have come already, and
	// have not all left.
	ErrFull = errors.New("barrier: full")
	// ErrLost is the cause of an entry's context when the membership ended without
	// Leave, and the error of an Enter whose membership ended when the round had
	// begun already. It wraps the reason.
	ErrLost = errors.New("barrier: membership lost")
	// ErrLeft is the cause of an entry's context after Leave, and the result of a
	// second one.
	ErrLeft = errors.New("barrier: left")
)

// Option changes a barrier.
type Option func(*options)

type options struct {
	id            string
	loseOnSuspend bool
	layout        Layout
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

// LoseOnSuspend, if b is true, ends an entry of a Double as soon as the connection
// breaks, and not only at the session's deadline.
func LoseOnSuspend(b bool) Option { return func(o *options) { o.loseOnSuspend = b } }

// WithLayout chooses the names of a Double's nodes. All who use it must choose the
// same.
func WithLayout(l Layout) Option { return func(o *options) { o.layout = l } }
