package lock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/zkrecipes/zkrecipes/internal/recipe/run"
	"github.com/zkrecipes/zkrecipes/session"
)

// Multi is several locks that are held together or not at all. It is a name without
// state, so many goroutines may use one Multi.
type Multi struct {
	session *session.Session
	locks   []*Mutex // sorted by path
}

// NewMulti returns the locks at paths. Each is a Mutex with the options opts. The order of
// paths does not matter, and duplicates are ignored. NewMulti sends nothing.
func NewMulti(s *session.Session, paths []string, opts ...Option) *Multi {
	m := &Multi{session: s}
	for _, path := range slices.Compact(slices.Sorted(slices.Values(paths))) {
		m.locks = append(m.locks, New(s, path, opts...))
	}
	return m
}

// Lock blocks until it holds all locks or ctx is done. It acquires them in the order of
// their paths. Callers that acquire the same locks in this order, with Multi or one by
// one, cannot deadlock. If a lock is lost before the last is held, Lock starts from the
// first again.
//
// If ctx is done first, Lock returns an error that wraps context.Cause(ctx) and releases
// in the background the locks that it held.
//
// Lock takes one round trip for each lock that is free.
func (m *Multi) Lock(ctx context.Context) (*MultiLease, error) { return m.lock(ctx, (*Mutex).Lock) }

// TryLock is like Lock, but returns ErrLocked instead of waiting. It then holds none of
// the locks.
func (m *Multi) TryLock(ctx context.Context) (*MultiLease, error) {
	return m.lock(ctx, (*Mutex).TryLock)
}

// Do runs fn while it holds all locks, as Mutex.Do does with one.
func (m *Multi) Do(ctx context.Context, fn func(context.Context, *MultiLease) error) error {
	return run.Do(ctx, do(""), m.Lock, fn)
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

// lockAll acquires the locks in order. It returns ErrLost if one was lost before the last
// was held.
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

// unlock releases all leases concurrently. It ignores leases that were released before.
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
