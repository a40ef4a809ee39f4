package lock

import (
	"context"
	"fmt"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/internal/recipe/line"
	"github.com/zkrecipes/zkrecipes/internal/recipe/run"
	"github.com/zkrecipes/zkrecipes/session"
)

// Mutex is a lock that one holder at a time can own. It is a name without state, so
// many goroutines may use one Mutex; each call of Lock contends separately, also
// within a process. It is fair and not reentrant.
type Mutex struct {
	acquirer    acquirer
	cohort      cohortKey
	maxHandoffs int // set by WithLocalHandoff
}

// New returns the lock at path. It sends nothing.
//
// All clients that use the same path in the same ensemble contend for the lock: with
// this library, with Curator's InterProcessMutex and with go-zookeeper's Lock, or with
// Kazoo's Lock under WithLayout(Kazoo).
func New(s *session.Session, path string, opts ...Option) *Mutex {
	o := newOptions(opts)
	return &Mutex{
		acquirer:    newAcquirer(line.Line{Package: "lock", Session: s, Path: path, Layout: o.layout.mutex()}, o),
		cohort:      cohortKey{path, o.id, o.layout, o.stopTime},
		maxHandoffs: o.maxHandoffs,
	}
}

// Lock blocks until it holds the lock or ctx is done. Locks are granted in the order
// in which the calls reached the ensemble. A waiter keeps its position across
// reconnects. If its session expires, it waits again from the end of the line.
//
// If ctx is done first, Lock returns an error that wraps context.Cause(ctx) and
// deletes its node in the background. With WithLocalHandoff it leaves the node to the
// next waiter of the session, if there is one. Errors that waiting does not resolve,
// such as session.ErrNoAuth, are returned immediately.
//
// Lock takes one round trip if the lock is free: the creation of a sequential ephemeral
// node and a listing of its siblings, sent together. A waiter takes one more, to watch
// its own node and the two ahead, and none when it becomes the holder.
func (m *Mutex) Lock(ctx context.Context) (*Lease, error) {
	if err := m.acquirer.line.Check(); err != nil {
		return nil, err
	}
	if m.maxHandoffs == 0 {
		return newLease(m.acquirer.lock(ctx))
	}
	c, handoffs := joinCohort(m.acquirer.line.Session, m.cohort, false)
	return m.leaseOf(c)(c.lock(ctx, handoffs, &m.acquirer, m.maxHandoffs))
}

// TryLock is like Lock, but returns ErrLocked instead of waiting. The error names the
// first in line by its id and its node: "held by another owner: web-3:4121 (/app/lock/…)".
// If no session owns the node that Lock would wait for, the error wraps session.ErrNoOwner as well.
//
// A call that returns ErrLocked takes a second round trip, to delete its node again. With
// WithLocalHandoff it takes no round trip if another goroutine of the session holds the
// lock or waits for it.
func (m *Mutex) TryLock(ctx context.Context) (*Lease, error) {
	if err := m.acquirer.line.Check(); err != nil {
		return nil, err
	}
	if m.maxHandoffs == 0 {
		return newLease(m.acquirer.tryLock(ctx))
	}
	c, handoffs := joinCohort(m.acquirer.line.Session, m.cohort, true)
	if handoffs != nil {
		return nil, fmt.Errorf("%w: a caller in this process", ErrLocked)
	}
	acquired, taken, err := m.acquirer.line.TryAcquire(ctx)
	if err == nil && taken != nil {
		err = taken.Wrap(ErrLocked, revokeData)
	}
	if err != nil {
		c.pass(handoff{})
		return nil, err
	}
	return m.leaseOf(c)(c.begin(ctx, acquired, &m.acquirer), nil)
}

// leaseOf returns a function that makes a Lease whose node can be handed to the next
// waiter of c.
func (m *Mutex) leaseOf(c *cohort) func(*lease.Lease, error) (*Lease, error) {
	return func(l *lease.Lease, err error) (*Lease, error) {
		if err != nil {
			return nil, err
		}
		return &Lease{l: l, cohort: c, maxHandoffs: m.maxHandoffs}, nil
	}
}

// Enter joins the line for the lock without waiting, for callers that want to know
// their position; see Place. It takes one round trip.
func (m *Mutex) Enter(ctx context.Context) (*Place, error) { return enter(ctx, &m.acquirer, nil) }

// Do acquires the lock, calls fn and releases the lock. The context passed to fn is
// canceled when ctx is done and when the lock is lost. In either case Do waits until fn
// has returned before it releases the lock.
//
// If ctx is done before fn is called, the error wraps context.Cause(ctx). Otherwise Do
// returns the result of fn, joined with a loss or a failed release. If fn unlocks the
// lease itself, the context passed to it is canceled, and that is not an error.
func (m *Mutex) Do(ctx context.Context, fn func(context.Context, *Lease) error) error {
	return run.Do(ctx, do(m.acquirer.line.Path), m.Lock, fn)
}

// Contenders returns the holder of the lock, followed by the waiters in order. It takes
// two round trips, a listing and a read of all nodes.
func (m *Mutex) Contenders(ctx context.Context) ([]Contender, error) {
	return m.acquirer.contenders(ctx)
}
