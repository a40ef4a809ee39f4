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

// MultiLease is the ownership of several locks, which lasts until its Context is done. If
// one of the locks is lost, the lease ends and the other locks are released. It is safe
// for concurrent use.
type MultiLease struct {
	session *session.Session
	leases  []*Lease
	ctx     context.Context
	cancel  context.CancelCauseFunc
	ask     sync.Once
	asked   chan struct{}
	mu      sync.Mutex // held in end
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

// lose ends the lease because one of the locks is no longer held.
func (l *MultiLease) lose(cause error) {
	if l.end(cause) {
		for _, one := range l.leases {
			one.l.Abandon(cause)
		}
	}
}

// end ends ownership. It reports false if ownership had ended before.
func (l *MultiLease) end(cause error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return false
	}
	l.cancel(cause)
	return true
}

// Context is done when the locks are no longer held together, as Lease.Context is for one
// lock.
func (l *MultiLease) Context() context.Context { return l.ctx }

// Err returns nil while the lease is held. After that it returns ErrReleased, or ErrLost
// wrapping the reason, which is Lease.Err of the lock that was lost first.
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

// Deadline returns the earliest deadline of the locks; see Lease.Deadline.
func (l *MultiLease) Deadline() (deadline time.Time, changed <-chan struct{}) {
	for i, one := range l.leases {
		if d, c := one.Deadline(); i == 0 || d.Before(deadline) {
			deadline, changed = d, c
		}
	}
	return deadline, changed
}

// Leases returns the leases of the locks, in the order of their paths. Use them for their
// tokens: what a lock protects must compare tokens of that lock only. Do not unlock a
// single one.
func (l *MultiLease) Leases() []*Lease { return slices.Clone(l.leases) }

// Revoked returns a channel that is closed when a client has asked the holder to release
// one of the locks; see Lease.Revoked.
func (l *MultiLease) Revoked() <-chan struct{} { return l.asked }

// Guards returns operations that make a transaction fail with session.ErrNoNode unless
// all locks are held. Txn is simpler.
func (l *MultiLease) Guards() []session.Op {
	var ops []session.Op
	for _, one := range l.leases {
		ops = append(ops, one.Guards()...)
	}
	return ops
}

// Txn runs ops in a transaction that fails with ErrLost unless all locks are held; see
// Lease.Txn.
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

// SessionID returns the id of the ZooKeeper session that holds the locks.
func (l *MultiLease) SessionID() int64 { return l.leases[0].SessionID() }

// Verify confirms with the leader of the ensemble that all locks are held. If one is not,
// the lease ends, and Verify returns the error that Err returns. It takes one round trip.
func (l *MultiLease) Verify(ctx context.Context) error {
	_, err := l.Txn(ctx)
	return err
}

// Release calls Unlock.
func (l *MultiLease) Release(ctx context.Context) error { return l.Unlock(ctx) }

// Unlock ends the lease and releases all locks concurrently; see Lease.Unlock.
func (l *MultiLease) Unlock(ctx context.Context) error {
	l.Err() // if a deadline has passed, the cause is that loss
	if !l.end(ErrReleased) {
		unlock(ctx, l.leases) // also deletes nodes of lost locks that are still kept for their stop time
		return context.Cause(l.ctx)
	}
	return unlock(ctx, l.leases)
}
