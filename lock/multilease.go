package lock

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/session"
)

// MultiLease is proof of the ownership of several locks, until its Context is
// done. It ends as a whole: when one of the locks is lost, the others are
// released. It is safe for concurrent use.
type MultiLease struct {
	session *session.Session
	leases  []*Lease
	ctx     context.Context
	cancel  context.CancelCauseFunc
	ask     sync.Once
	asked   chan struct{}
	mu      sync.Mutex // one end
}

func newMultiLease(ctx context.Context, s *session.Session, leases []*Lease) *MultiLease {
	l := &MultiLease{session: s, leases: leases, asked: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	for _, one := range leases {
		context.AfterFunc(one.Context(), func() { l.lose(one.Err()) })
		one.l.Epoch().Go(func() {
			select {
			case <-one.Revoked():
				l.ask.Do(func() { close(l.asked) })
			case <-one.Context().Done():
			}
		})
	}
	return l
}

// lose ends the lease when one of the locks is not held any more.
func (l *MultiLease) lose(cause error) {
	if l.end(cause) {
		for _, one := range l.leases {
			one.l.Abandon(cause)
		}
	}
}

// end ends ownership and reports whether it did, and not somebody before.
func (l *MultiLease) end(cause error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return false
	}
	l.cancel(cause)
	return true
}

// Context is done when the locks are not held together any more, as that of Lease
// is.
func (l *MultiLease) Context() context.Context { return l.ctx }

// Err is nil while the lease is held. After that it is ErrReleased, or ErrLost
// wrapping the reason, as Lease.Err of the lock that was lost first.
func (l *MultiLease) Err() error {
	if l.ctx.Err() == nil {
		for _, one := range l.leases {
			if err := one.Err(); err != nil {
				l.lose(err)
			}
		}
	}
	return context.Cause(l.ctx)
}

// Deadline is the earliest of those of the single locks; see Lease.Deadline.
func (l *MultiLease) Deadline() (deadline time.Time, changed <-chan struct{}) {
	for i, one := range l.leases {
		if d, c := one.Deadline(); i == 0 || d.Before(deadline) {
			deadline, changed = d, c
		}
	}
	return deadline, changed
}

// Leases are those of the single locks, in the order of their paths, for their
// tokens: what a lock protects is to compare the tokens of that lock. Do not unlock
// them singly.
func (l *MultiLease) Leases() []*Lease { return slices.Clone(l.leases) }

// Revoked is closed when somebody has asked the holder to let go of one of the
// locks; see Lease.Revoked.
func (l *MultiLease) Revoked() <-chan struct{} { return l.asked }

// Guards make a transaction fail with session.ErrNoNode unless all locks are held. Txn
// is simpler.
func (l *MultiLease) Guards() []session.Op {
	var ops []session.Op
	for _, one := range l.leases {
		ops = append(ops, one.Guards()...)
	}
	return ops
}

// Txn is Lease.Txn for all locks.
func (l *MultiLease) Txn(ctx context.Context, ops ...session.Op) ([]session.Result, error) {
	if err := l.Err(); err != nil {
		return nil, err
	}
	leases := make([]*lease.Lease, len(l.leases))
	for i, one := range l.leases {
		leases[i] = one.l
	}
	results, err := lease.Txn(ctx, leases, ops...)
	if err != nil && !errors.Is(err, session.ErrUnknown) {
		if lost := l.Err(); lost != nil {
			err = lost
		}
	}
	return results, err
}

// SessionID is the id of the ZooKeeper session that holds the locks.
func (l *MultiLease) SessionID() int64 { return l.leases[0].SessionID() }

// Verify has the ensemble confirm that all locks are held, in one round trip
// through its leader. If one is not, the lease ends, and the error is that of Err.
func (l *MultiLease) Verify(ctx context.Context) error {
	_, err := l.Txn(ctx)
	return err
}

// Release is Unlock.
func (l *MultiLease) Release(ctx context.Context) error { return l.Unlock(ctx) }

// Unlock ends the lease and releases all locks at the same time, as Lease.Unlock
// does with one.
func (l *MultiLease) Unlock(ctx context.Context) error {
	l.Err() // if the clock says that it is lost, that is the cause
	if !l.end(ErrReleased) {
		unlock(ctx, l.leases) // those that are lost, too, may have a stop time left
		return context.Cause(l.ctx)
	}
	return unlock(ctx, l.leases)
}
