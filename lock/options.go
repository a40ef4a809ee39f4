package lock

import (
	"errors"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/enum"
	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/identity"
	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/session"
)

// Errors to decide by, with errors.Is.
var (
	// ErrLocked says that TryLock, or another Try, would have to wait.
	ErrLocked = errors.New("lock: held by another owner")
	// ErrLost is the cause of a lease's context when ownership ended without
	// Unlock. It wraps the reason.
	ErrLost = session.NewError("lock: ownership lost", session.ErrLost)
	// ErrReleased is the cause of a lease's context after Unlock, and the result
	// of a second one.
	ErrReleased = errors.New("lock: released")
	// ErrLimit says that a semaphore was made with another number of permits.
	ErrLimit = errors.New("lock: another limit of permits")
)

// noPermits is the ErrLocked of a semaphore. Blocked is what Epoch.Blocked says of a
// permit that no session owns; nil if there is none.
type noPermits struct{ blocked error }

func (e noPermits) Error() string {
	const text = "lock: not enough permits are free"
	if e.blocked != nil {
		return text + ": one is " + e.blocked.Error()
	}
	return text
}

func (noPermits) Is(target error) bool { return target == ErrLocked }
func (e noPermits) Unwrap() error      { return e.blocked }

// Option changes a lock.
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

// check returns the error of the first bad option.
func (o options) check(s *session.Session, path string, more ...error) error {
	return args.Check("lock", s, path, append(more,
		enum.Check("layout", layoutNames, o.layout, session.ErrInvalid),
		args.AtLeast(0, "the number of handoffs", o.maxHandoffs))...)
}

func (o options) behavior() lease.Behavior {
	return lease.Behavior{Lost: ErrLost, Released: ErrReleased, LoseOnSuspend: o.loseOnSuspend, StopTime: o.stopTime, RevokeData: revokeData}
}

// WithID labels the nodes of this contender, for Contenders and for people. The
// default is host:pid.
func WithID(id string) Option { return func(o *options) { o.id = id } }

// WithLoseOnSuspend ends a lease as soon as the connection breaks,
// and not only at the session's deadline.
func WithLoseOnSuspend() Option { return func(o *options) { o.loseOnSuspend = true } }

// WithStopTime ends a lease d before its deadline, so that the holder can
// finish stopping before the session can end on the server: from then on Context is
// done, and the node stays until Unlock is called or d has passed, also if the
// connection recovers in between, so that nobody else owns meanwhile. There is no
// such time if somebody removes the node, if a server ends the session, and when the
// session is closed: that ends ownership at once.
//
// The longest d is Session.MaxStopTime, about a third of the session timeout that
// the server has granted; a longer one is refused with session.ErrInvalid. Outages
// of a quarter of the timeout are survived all the same, for which the session
// proves itself up to four times as often. After a rest, a first lock takes a
// quarter of the timeout longer; see session.WithSteadyProofs.
func WithStopTime(d time.Duration) Option { return func(o *options) { o.stopTime = d } }

// WithLayout sets the layout; the default is Curator. All users of a lock must use the
// same one.
func WithLayout(l Layout) Option { return func(o *options) { o.layout = l } }

// WithLocalHandoff lets goroutines of one session that want the same Mutex hand the
// lock on among themselves, without the ensemble, at most n times in a row: then it
// goes to whoever is next in line. They wait with one node in line. It is for locks
// that many goroutines of a process contend for; 0, which is the default, turns it
// off. Only Mutex, and Multi with it, knows of it.
//
// Leases that are handed on have the same node, so Token and Guards do not tell the
// goroutines from each other, only the processes: what a lock protects must accept
// equal tokens.
func WithLocalHandoff(n int) Option {
	return func(o *options) { o.maxHandoffs = n }
}
