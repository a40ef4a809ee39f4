package lock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/zkrecipes/zkrecipes/session"
)

// Multi names several locks that are held together or not at all. It holds no
// state.
type Multi struct {
	session *session.Session
	locks   []*Mutex // in the order of their paths
}

// NewMulti names the locks at paths, each of which is a Mutex, with the same
// options. The order of paths does not matter, and a path that occurs twice
// counts once. Nothing is sent.
func NewMulti(s *session.Session, paths []string, opts ...Option) *Multi {
	m := &Multi{session: s}
	for _, path := range slices.Compact(slices.Sorted(slices.Values(paths))) {
		m.locks = append(m.locks, New(s, path, opts...))
	}
	return m
}

// Lock waits until all locks are held. They are taken in the order of their paths,
// so that no two who use Multi can wait for each other, nor can one who takes the
// same locks one by one in that order. A lock that is lost before the last is held
// has Lock begin anew.
//
// ctx bounds the whole. When it ends first, Lock returns its cause in an error, and
// what was held is released, if need be in the background. Locks that are free take
// one round trip each.
func (m *Multi) Lock(ctx context.Context) (*MultiLease, error) { return m.lock(ctx, (*Mutex).Lock) }

// TryLock is Lock, but returns ErrLocked where Lock would wait, and holds none of
// the locks then.
func (m *Multi) TryLock(ctx context.Context) (*MultiLease, error) {
	return m.lock(ctx, (*Mutex).TryLock)
}

// Do runs fn while it holds all locks, as Mutex.Do does with one.
func (m *Multi) Do(ctx context.Context, fn func(context.Context, *MultiLease) error) error {
	return do(ctx, "", m.Lock, fn)
}

func (m *Multi) lock(ctx context.Context, lock func(*Mutex, context.Context) (*Lease, error)) (*MultiLease, error) {
	if len(m.locks) == 0 {
		return nil, &session.OpError{Package: "lock", Op: "lock", Err: fmt.Errorf("%w: no paths", session.ErrInvalid)}
	}
	for _, l := range m.locks {
		if err := l.acquirer.line.Check(); err != nil {
			return nil, err
		}
	}
	for {
		leases, err := m.lockAll(ctx, lock)
		switch {
		case err == nil:
			return newMultiLease(ctx, m.session, leases), nil
		case !errors.Is(err, ErrLost):
			return nil, err
		case ctx.Err() != nil:
			return nil, &session.OpError{Package: "lock", Op: "lock", Path: m.locks[0].acquirer.line.Path, Err: context.Cause(ctx)}
		}
	}
}

// lockAll takes the locks in turn. ErrLost says that it has lost one before it
// held the last.
func (m *Multi) lockAll(ctx context.Context, lock func(*Mutex, context.Context) (*Lease, error)) (leases []*Lease, err error) {
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	for _, mutex := range m.locks {
		l, err := lock(mutex, waiting)
		if err != nil {
			unlock(ctx, leases)
			return nil, err
		}
		leases = append(leases, l)
		defer context.AfterFunc(l.Context(), func() { cancel(l.Err()) })()
	}
	return leases, nil
}

// unlock releases all of them at the same time. An error of one that was released
// before is none.
func unlock(ctx context.Context, leases []*Lease) error {
	errs := make([]error, len(leases))
	var all sync.WaitGroup
	for i, l := range leases {
		all.Go(func() {
			if err := l.Unlock(ctx); !errors.Is(err, ErrReleased) {
				errs[i] = err
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
