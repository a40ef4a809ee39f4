package lock

import (
	"context"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/internal/recipe/line"
	"github.com/zkrecipes/zkrecipes/session"
)

// Mutex names a lock. It holds no state, so one value may be used by many
// goroutines; each Lock contends separately, also within a process. It is fair,
// and not reentrant.
type Mutex struct {
	acquirer    acquirer
	cohort      cohortKey
	maxHandoffs int // as given WithLocalHandoff
}

// New names the lock at path. All who use the same path in the same ensemble
// contend for it, with this library, with Curator's InterProcessMutex and with
// go-zookeeper's Lock; with Kazoo's Lock if WithNaming says so. Nothing is sent.
func New(s *session.Session, path string, opts ...Option) *Mutex {
	o := newOptions(opts)
	return &Mutex{
		acquirer:    newAcquirer(line.Line{Package: "lock", Session: s, Path: path, Layout: o.layout.mutex()}, o),
		cohort:      cohortKey{s, path, o.id, o.layout, o.stopTime},
		maxHandoffs: o.maxHandoffs,
	}
}

// Lock waits until the lock is held. Locks are granted in the order in which the
// calls reached the ensemble. The wait survives reconnects in its place, and the
// end of a session at the end of the line.
//
// When ctx ends first, Lock returns its cause in an error and leaves no node
// behind, if need be by removing it in the background. Errors that waiting does
// not mend, such as session.ErrNoAuth, are returned at once.
//
// A lock that is free takes one round trip: a create of a sequential ephemeral
// node and a list of its siblings, sent together. A wait costs one more, which
// watches the own node and the two ahead; the hand-off itself costs the waiter
// none.
func (m *Mutex) Lock(ctx context.Context) (*Lease, error) {
	if err := m.acquirer.line.Check(); err != nil {
		return nil, err
	}
	if m.maxHandoffs == 0 {
		return newLease(m.acquirer.lock(ctx))
	}
	c, turn := joinCohort(m.cohort, false)
	return m.leaseOf(c)(c.lock(ctx, turn, &m.acquirer, m.maxHandoffs))
}

// TryLock is Lock, but returns ErrLocked where Lock would wait. If no session owns the
// node that Lock would wait for, the error wraps session.ErrNoOwner as well. Then it
// costs a second round trip, for removing its node again.
func (m *Mutex) TryLock(ctx context.Context) (*Lease, error) {
	if err := m.acquirer.line.Check(); err != nil {
		return nil, err
	}
	if m.maxHandoffs == 0 {
		return newLease(m.acquirer.tryLock(ctx))
	}
	c, turn := joinCohort(m.cohort, true)
	if turn != nil {
		return nil, ErrLocked
	}
	claim, ok, blocked, err := m.acquirer.line.TryAcquire(ctx)
	if err == nil && !ok {
		err = locked(blocked)
	}
	if err != nil {
		c.pass(handoff{})
		return nil, err
	}
	return m.leaseOf(c)(c.hold(ctx, claim, &m.acquirer), nil)
}

// leaseOf is held for a node that others of c may use next.
func (m *Mutex) leaseOf(c *cohort) func(*lease.Lease, error) (*Lease, error) {
	return func(l *lease.Lease, err error) (*Lease, error) {
		if err != nil {
			return nil, err
		}
		return &Lease{l: l, cohort: c, maxHandoffs: m.maxHandoffs}, nil
	}
}

// Enter stands in line for the lock without waiting, for those who want to know
// how far they have come; see Place. It takes one round trip.
func (m *Mutex) Enter(ctx context.Context) (*Place, error) { return enter(ctx, &m.acquirer, nil) }

// Do runs fn while it holds the lock. The context that fn is given ends when ctx
// does and when the lock is lost; Do waits for fn in either case, and only then
// releases the lock. A nil error says that fn returned nil and that the lock was
// held all the while.
func (m *Mutex) Do(ctx context.Context, fn func(context.Context, *Lease) error) error {
	return do(ctx, m.acquirer.line.Path, m.Lock, fn)
}

// Contenders returns who holds the lock and then who waits for it, in order. It
// takes two round trips, a list and a read of every node.
func (m *Mutex) Contenders(ctx context.Context) ([]Contender, error) {
	return m.acquirer.contenders(ctx)
}
