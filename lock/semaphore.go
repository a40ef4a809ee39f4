package lock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/internal/recipe/line"
	"github.com/zkrecipes/zkrecipes/internal/recipe/run"
	"github.com/zkrecipes/zkrecipes/session"
)

// Semaphore is a number of permits that clients acquire and release. It is a name
// without state, so many goroutines may use one Semaphore. It is fair: callers are
// served in the order in which they arrived, also those that want more permits than
// the callers behind them.
type Semaphore struct {
	session *session.Session
	path    string
	n       int
	layout  semaphoreLayout
	opts    options
	argErr  error // the bad argument of NewSemaphore, which every call returns
}

// NewSemaphore returns the semaphore of n permits at path. It sends nothing.
//
// All clients that use the same path in the same ensemble share the permits: with this
// library and with Curator's InterProcessSemaphoreV2 and InterProcessSemaphoreMutex, or
// with Kazoo's Semaphore under WithLayout(Kazoo).
//
// The limit is recorded in the node at path. A caller that expects a
// different limit gets ErrLimit. If the node's data is not a number, calls fail with
// codec.ErrMalformed and write nothing. To change the limit, delete the node or write
// another number into it while no permit is held.
func NewSemaphore(s *session.Session, path string, n int, opts ...Option) *Semaphore {
	o := newOptions(opts)
	return &Semaphore{
		session: s, path: path, n: n, layout: o.layout.semaphore(path), opts: o,
		argErr: o.check(s, path, args.AtLeast(1, "the number of permits", n)),
	}
}

// Acquire blocks until it holds one permit or ctx is done; see AcquireN.
func (m *Semaphore) Acquire(ctx context.Context) (*Lease, error) { return m.AcquireN(ctx, 1) }

// AcquireN blocks until it holds k permits or ctx is done. It takes all k permits at once
// or none. A caller that waits for many permits delays the callers behind it, so that
// no caller starves. Since no caller holds some permits while it waits for more, there
// are no deadlocks. The lease is for all k permits: it is lost if one of them is lost,
// and Unlock releases all.
//
// If ctx is done first, AcquireN returns an error that wraps context.Cause(ctx) and
// deletes its node in the background. If k is less than 1,
// larger than the limit, or more than fits into a transaction, the error wraps
// session.ErrInvalid and nothing is sent.
//
// It takes three round trips: joining the line for the right to take permits, a listing
// of the taken permits, and a transaction that creates k nodes and leaves the line. A
// caller that waits for permits takes one more listing for each that is released, and a
// read of the stat of each taken permit.
//
// If no session owns one of the permits, the wait is reported to session.Hooks.Blocked,
// and the error of the wait wraps session.ErrNoOwner.
func (m *Semaphore) AcquireN(ctx context.Context, k int) (*Lease, error) {
	return m.acquire(ctx, k, false)
}

// TryAcquire is like Acquire, but returns ErrLocked instead of waiting for a permit that
// another client holds.
func (m *Semaphore) TryAcquire(ctx context.Context) (*Lease, error) { return m.TryAcquireN(ctx, 1) }

// TryAcquireN is like AcquireN, but returns ErrLocked, with the numbers of permits,
// instead of waiting for permits that other clients hold or are about to take. It does wait for callers ahead of it for
// which permits are free.
func (m *Semaphore) TryAcquireN(ctx context.Context, k int) (*Lease, error) {
	return m.acquire(ctx, k, true)
}

// Do runs fn while it holds one permit, as Mutex.Do does with a lock.
func (m *Semaphore) Do(ctx context.Context, fn func(context.Context, *Lease) error) error {
	return m.DoN(ctx, 1, fn)
}

// DoN runs fn while it holds k permits, as Mutex.Do does with a lock.
func (m *Semaphore) DoN(ctx context.Context, k int, fn func(context.Context, *Lease) error) error {
	return run.Do(ctx, do(m.path), func(ctx context.Context) (*Lease, error) { return m.AcquireN(ctx, k) }, fn)
}

// Remaining returns the number of free permits. It takes one round trip. The number may
// have changed by the time the caller uses it.
func (m *Semaphore) Remaining(ctx context.Context) (int, error) {
	if m.argErr != nil {
		return 0, m.argErr
	}
	return session.InEpoch(ctx, m.session, session.OpError{Package: "lock", Op: "list", Path: m.path}, func(e *session.Epoch) (int, error) {
		taken, err := m.listTaken(ctx, e)
		return max(m.n-len(taken), 0), err
	})
}

// Holders returns the holders of permits in the order in which the permits were taken,
// one entry for each permit. It takes two round trips, a listing and a read of all
// nodes.
func (m *Semaphore) Holders(ctx context.Context) ([]Contender, error) {
	if m.argErr != nil {
		return nil, m.argErr
	}
	return session.InEpoch(ctx, m.session, session.OpError{Package: "lock", Op: "list", Path: m.path}, func(e *session.Epoch) ([]Contender, error) {
		names, err := m.layout.permitsIn(e.Children(ctx, m.layout.leases))
		if err != nil {
			return nil, err
		}
		nodes, err := e.Nodes(ctx, m.layout.paths(names)...)
		if err != nil {
			return nil, err
		}
		var cs []Contender
		for _, n := range nodes {
			if !errors.Is(n.Err, session.ErrNoNode) {
				cs = append(cs, newContender(n, false))
			}
		}
		slices.SortFunc(cs, func(a, b Contender) int {
			if a.Token != b.Token {
				return int(min(max(a.Token-b.Token, -1), 1))
			}
			return strings.Compare(a.Path, b.Path)
		})
		return cs, nil
	})
}

func (m *Semaphore) line(k int) line.Line {
	return line.Line{Package: "lock", Session: m.session, Path: m.layout.lock, Layout: m.opts.layout.mutex(), Data: encodeRequest(k, m.opts.id), StopTime: m.opts.stopTime}
}

// check returns an error for a request that can never be granted.
func (m *Semaphore) check(k int) error {
	invalid := func(format string, args ...any) error {
		return &session.OpError{Package: "lock", Op: "acquire", Path: m.path, Err: fmt.Errorf("%w: "+format, append([]any{session.ErrInvalid}, args...)...)}
	}
	const perNode = 300 // bytes of a transaction for each node, without its path and data
	switch {
	case m.argErr != nil:
		return m.argErr
	case k <= 0:
		return invalid("%d permits, the minimum is 1", k)
	case k > m.n:
		return invalid("%d permits, the limit is %d", k, m.n)
	case k > m.session.MaxBuffer()/(perNode+len(m.layout.leases)+len(m.opts.id)):
		return invalid("%d permits do not fit into a transaction", k)
	}
	return nil
}

func (m *Semaphore) acquire(ctx context.Context, k int, try bool) (*Lease, error) {
	if err := m.check(k); err != nil {
		return nil, err
	}
	l := m.line(k)
	for {
		w, err := l.Join(ctx)
		if err != nil {
			return nil, err
		}
		acquired, err := m.wait(ctx, w, k, try)
		if err != nil {
			err = errors.Join(err, leave(ctx, w))
		} else {
			acquired, err = m.take(ctx, lease.Begin(ctx, acquired, m.opts.behavior()), k, try)
		}
		switch {
		case err == nil:
			return newLease(lease.Begin(ctx, acquired, m.opts.behavior()), nil)
		case !isRetryable(err):
			return nil, err
		}
	}
}

// isRetryable reports whether an attempt failed because of its own nodes or their
// parents, so that a new attempt can succeed.
func isRetryable(err error) bool {
	return line.IsGone(err) || errors.Is(err, ErrLost) || errors.Is(err, session.ErrNoNode) || errors.Is(err, session.ErrUnknown)
}

// leave leaves the line and waits until the node is deleted or ctx is done.
func leave(ctx context.Context, w *line.Waiter) error {
	select {
	case err := <-w.Leave():
		return err
	case <-ctx.Done():
		return nil
	}
}

// wait waits in line for the right to take permits.
func (m *Semaphore) wait(ctx context.Context, w *line.Waiter, k int, try bool) (lease.Acquired, error) {
	var err error
	switch {
	case w.Free():
	case try:
		err = m.checkFree(ctx, w, k)
	default: // return a wrong limit's error before the wait, not after it
		_, err = m.listTaken(ctx, w.Epoch())
	}
	if err != nil {
		return lease.Acquired{}, err
	}
	return w.Wait(ctx)
}

// take waits for permits and takes them. own is the right to take permits, which take
// releases.
func (m *Semaphore) take(ctx context.Context, own *lease.Lease, k int, try bool) (lease.Acquired, error) {
	if err := m.await(ctx, own, k, try); err != nil {
		return lease.Acquired{}, errors.Join(err, own.Release(ctx))
	}
	nodes := make([]lease.Replacement, k)
	for i := range nodes {
		nodes[i] = m.layout.node([]byte(m.opts.id))
	}
	return own.Replace(ctx, nodes...)
}

// await waits until k permits are free. It reads the stat of each taken permit once, to
// find permits that no session owns.
func (m *Semaphore) await(ctx context.Context, own *lease.Lease, k int, try bool) error {
	var blockers lease.Blockers
	for {
		taken, changed, err := m.watchTaken(ctx, own.Epoch())
		if err != nil {
			return err
		}
		if len(taken)+k <= m.n {
			changed.Close()
			return nil
		}
		blocked, err := blockers.Check(ctx, own.Epoch(), taken...)
		if err == nil && try {
			err = noPermitsError{taken: len(taken), want: k, limit: m.n, blocked: blocked}
		}
		if err != nil {
			changed.Close()
			return err
		}
		select {
		case <-changed.Fired():
		case <-own.Context().Done():
			err = own.Err()
		case <-ctx.Done():
			err = &session.OpError{Package: "lock", Op: "wait for permits of", Path: m.path, Err: lease.WithReason(ctx, blocked)}
		}
		changed.Close()
		if err != nil {
			return err
		}
	}
}
