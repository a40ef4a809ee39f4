package lock

import (
	"context"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/session"
)

// Lease is the ownership of a lock, which lasts until its Context is done. It is
// safe for concurrent use.
type Lease struct {
	l           *lease.Lease
	downgradeTo *acquirer // set for a write lease: the read lock that Downgrade acquires
	cohort      *cohort   // the possible receivers of a handoff; nil without WithLocalHandoff
	maxHandoffs int       // in a row
}

func newLease(l *lease.Lease, err error) (*Lease, error) {
	if err != nil {
		return nil, err
	}
	return &Lease{l: l}, nil
}

// Context is done when ownership has ended, by Unlock or by loss. context.Cause of it
// is the error that Err returns. It carries the values of the context that was passed
// to Lock, but is not canceled with it.
func (l *Lease) Context() context.Context { return l.l.Context() }

// Err returns nil while the lease is held. After that it returns ErrReleased, or
// ErrLost wrapping the reason: session.ErrExpired, session.ErrNoNode if the node was
// deleted, or session.ErrClosed.
func (l *Lease) Err() error { return l.l.Err() }

// Deadline returns the moment by which all work under the lease must have stopped.
// The servers certainly keep the ZooKeeper session until then. changed is closed when
// a later proof has moved the deadline. Once ownership has ended, the deadline is the
// moment at which it ended, and changed is nil.
func (l *Lease) Deadline() (deadline time.Time, changed <-chan struct{}) { return l.l.Deadline() }

// Token returns a number that grows with every acquisition of the lock. Store it with
// each write that the lock protects, and refuse writes with a smaller token. This
// protects the data even if a process was suspended for longer than its lease.
//
// The token is the zxid of the transaction that created the holder's node. Under
// WithLocalHandoff, holders that pass a node to each other have the same token.
func (l *Lease) Token() session.Zxid { return l.l.Token() }

// Guards returns operations that make a transaction fail with session.ErrNoNode
// unless the lease is held. Txn is simpler.
func (l *Lease) Guards() []session.Op { return l.l.Guards() }

// Txn runs ops in a transaction that fails with ErrLost unless the lease is held. It
// returns the results of ops only. If the servers refuse one of ops, Txn returns
// their error and the lease is still held.
//
// It takes one round trip. If ctx or the ZooKeeper session ends before the outcome is
// known, the error is session.ErrUnknown.
func (l *Lease) Txn(ctx context.Context, ops ...session.Op) ([]session.Result, error) {
	return l.l.Txn(ctx, ops...)
}

// Verify confirms with the leader of the ensemble that the lease is held. If it is
// not, the lease ends, and Verify returns the error that Err returns. It takes one
// round trip.
func (l *Lease) Verify(ctx context.Context) error { return l.l.Verify(ctx) }

// Unlock ends the lease and releases the lock. The lease's Context ends first; then
// the node is deleted. A second Unlock returns ErrReleased, and Unlock of a lost lease
// returns ErrLost.
//
// ctx bounds only the wait for the deletion. If ctx ends first, the deletion continues
// in the background until it is done or the session's epoch ends. Unlock takes one
// round trip. With WithLocalHandoff, Unlock may pass the node to the next goroutine of
// the session instead, which takes no round trip.
func (l *Lease) Unlock(ctx context.Context) error {
	if l.cohort != nil {
		return l.cohort.unlock(ctx, l.l, l.maxHandoffs)
	}
	return l.l.Release(ctx)
}

// Release calls Unlock.
func (l *Lease) Release(ctx context.Context) error { return l.Unlock(ctx) }

// Path returns the path of the holder's node.
func (l *Lease) Path() string { return l.l.Path() }

// SessionID returns the id of the ZooKeeper session that holds the lock.
func (l *Lease) SessionID() int64 { return l.l.Session() }
