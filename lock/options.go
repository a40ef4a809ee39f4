package lock

import (
	"errors"
	"fmt"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/enum"
	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/identity"
	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/session"
)

// Errors to check for with errors.Is.
var (
	// ErrLocked is returned by TryLock and the other Try methods if they would have
	// to wait.
	ErrLocked = errors.New("lock: held by another owner")
	// ErrLost is the cause of a lease's context if ownership ended without Unlock. It
	// wraps the reason.
	ErrLost = session.NewError("lock: ownership lost", session.ErrLost)
	// ErrReleased is the cause of a lease's context after Unlock, and the result of a
	// second Unlock.
	ErrReleased = errors.New("lock: released")
	// ErrLimit is returned if the semaphore was created with a different number of
	// permits.
	ErrLimit = errors.New("lock: wrong limit of permits")
)

// noPermitsError is the ErrLocked of a semaphore.
type noPermitsError struct {
	taken, ahead, want, limit int   // ahead: the number that the callers ahead wait for
	blocked                   error // of a taken permit that no session owns, or nil
}

func (e noPermitsError) Error() string {
	text := fmt.Sprintf("lock: not enough permits are free: want %d, %d of %d are taken", e.want, e.taken, e.limit)
	if e.ahead > 0 {
		text += fmt.Sprintf(", callers ahead wait for %d", e.ahead)
	}
	if e.blocked != nil {
		return text + ", one is " + e.blocked.Error()
	}
	return text
}

func (noPermitsError) Is(target error) bool { return target == ErrLocked }
func (e noPermitsError) Unwrap() error      { return e.blocked }

// Option configures a lock.
type Option func(*options)

type options struct {
	id            string
	loseOnSuspend bool
	stopTime      time.Duration
	layout        Layout
	maxHandoffs   int
}

func newOptions(opts []Option) options {
	o := options{id: identity.Default()}
	for _, opt := range opts {
		opt(&o)
	}
	return o
}

// check returns the error of the first invalid argument or option.
func (o options) check(s *session.Session, path string, more ...error) error {
	return args.Check("lock", s, path, append(more,
		enum.Check("layout", layoutNames, o.layout, session.ErrInvalid),
		args.AtLeast(0, "the number of handoffs", o.maxHandoffs))...)
}

func (o options) behavior() lease.Behavior {
	return lease.Behavior{Lost: ErrLost, Released: ErrReleased, LoseOnSuspend: o.loseOnSuspend, StopTime: o.stopTime, IsRevoke: isRevoke}
}

// WithID sets the id that this contender's nodes hold, which Contenders returns and
// people can read. The default is host:pid.
func WithID(id string) Option { return func(o *options) { o.id = id } }

// WithLoseOnSuspend ends a lease as soon as the connection breaks, instead of at the
// session's deadline.
func WithLoseOnSuspend() Option { return func(o *options) { o.loseOnSuspend = true } }

// WithStopTime ends a lease d before its deadline, so that the holder can stop before
// the session can end on the server. From that moment on Context is done, and the node
// is kept until Unlock is called or d has passed, even if the connection recovers, so
// that no other contender owns the lock in the meantime. There is no stop time if the
// node is deleted, if a server ends the session, or if the session is closed:
// ownership then ends at once.
//
// d can be at most Session.MaxStopTime, about a third of the session timeout that the
// server has granted. Calls fail with session.ErrInvalid if it is longer. A lease still
// survives outages of a quarter of the timeout; for that the session sends up to four
// times as many proofs. The first lock of an idle session takes a quarter of the
// timeout longer; see session.WithSteadyProofs.
func WithStopTime(d time.Duration) Option { return func(o *options) { o.stopTime = d } }

// WithLayout sets the layout. The default is Curator. All users of a lock must use the
// same layout.
func WithLayout(l Layout) Option { return func(o *options) { o.layout = l } }

// WithLocalHandoff lets goroutines that use the same Mutex on one session hand the lock
// to each other without a request, at most n times in a row. After that the lock is
// released to the next contender in line. The waiters of the session share one node in
// the line. Use it for locks that many goroutines of a process contend for. It affects
// Mutex and Multi only. The default, 0, disables it.
//
// Holders that hand the lock to each other have the same node. Token and Guards
// therefore distinguish processes, not goroutines: what the lock protects must accept
// equal tokens.
func WithLocalHandoff(n int) Option {
	return func(o *options) { o.maxHandoffs = n }
}
