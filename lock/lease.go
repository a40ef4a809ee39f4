package lock

import (
	"context"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/session"
)

// Lease is proof of ownership until its Context is done. It is safe for
// concurrent use.
type Lease struct {
	l           *lease.Lease
	downgradeTo *acquirer // of a write lease: what it may be downgraded to
	cohort      *cohort   // whom the node may be handed on to, if to anybody
	maxHandoffs int       // how many times in a row
}

func newLease(l *lease.Lease, err error) (*Lease, error) {
	if err != nil {
		return nil, err
	}
	return &Lease{l: l}, nil
}

// Context is done when ownership has ended, by Unlock or by loss;
// context.Cause tells which, as Err does. It carries the values of the context
// that Lock was given, but not its end.
func (l *Lease) Context() context.Context { return l.l.Context() }

// Err is nil while the lease is held. After that it is ErrReleased, or ErrLost
// wrapping the reason: session.ErrExpired, session.ErrNoNode when somebody
// removed the node, session.ErrClosed.
func (l *Lease) Err() error { return l.l.Err() }

// Deadline returns the moment by which everything that works under the lease must
// have stopped: the session certainly lives on the servers until then. changed is
// closed when a later proof has moved it. Once ownership has ended, the deadline is
// the moment of its end, and changed is nil.
func (l *Lease) Deadline() (deadline time.Time, changed <-chan struct{}) { return l.l.Deadline() }

// Token grows with every acquisition of the lock. Store it with each write that
// the lock protects, and refuse writes with a smaller one: that holds even when
// a process was stopped for longer than its lease. It is the zxid of the
// transaction that created the holder's node, or under WithLocalHandoff that of
// the first of those who hold the lock with the same node one after the other.
func (l *Lease) Token() session.Zxid { return l.l.Token() }

// Guards make a transaction fail with session.ErrNoNode unless the lease is held. Txn
// is simpler.
func (l *Lease) Guards() []session.Op { return l.l.Guards() }

// Txn carries out ops in a transaction that fails with ErrLost unless the lease is
// held. It returns the results of ops only. If the servers refuse one of ops, the
// error is theirs and the lease goes on.
//
// It takes one round trip. If ctx or the ZooKeeper session ends before the outcome is
// known, the error is session.ErrUnknown.
func (l *Lease) Txn(ctx context.Context, ops ...session.Op) ([]session.Result, error) {
	return l.l.Txn(ctx, ops...)
}

// Verify has the ensemble confirm that the lease is held, in one round trip
// through its leader. If it is not, the lease ends, and the error is that of Err.
func (l *Lease) Verify(ctx context.Context) error { return l.l.Verify(ctx) }

// Unlock ends the lease and releases the lock. The lease's Context ends first;
// then the node is deleted, in one round trip. ctx bounds only the wait for it:
// should it end, the deletion goes on in the background until it is done or the
// session's epoch is over. A second Unlock returns ErrReleased, and one of a lost
// lease ErrLost.
func (l *Lease) Unlock(ctx context.Context) error {
	if l.cohort != nil {
		return l.cohort.unlock(ctx, l.l, l.maxHandoffs)
	}
	return l.l.Release(ctx)
}

// Release is Unlock.
func (l *Lease) Release(ctx context.Context) error { return l.Unlock(ctx) }

// Path is the holder's node.
func (l *Lease) Path() string { return l.l.Path() }

// SessionID is ZooKeeper's id of the session that holds the lock.
func (l *Lease) SessionID() int64 { return l.l.Session() }
