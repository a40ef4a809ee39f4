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
	"github.com/zkrecipes/zkrecipes/session"
)

// Semaphore names a number of permits. It holds no state, so one value may be
// used by many goroutines. It is fair: who comes first is served first, also if
// it wants more permits than those behind it.
type Semaphore struct {
	session *session.Session
	path    string
	n       int
	layout  semaphoreLayout
	opts    options
	argErr  error // of NewSemaphore: what every call returns
}

// NewSemaphore names the n permits at path. All who use the same path in the same
// ensemble share them, with this library and with Curator's
// InterProcessSemaphoreV2 and InterProcessSemaphoreMutex, or with Kazoo's
// Semaphore if WithNaming says so. The limit is recorded in the node at path, and
// a caller that expects a different limit gets ErrLimit. If the node holds data that is
// not a number, calls fail with codec.ErrMalformed and write nothing. To change the limit, remove the node or write
// another number into it while nobody holds a permit. Nothing is sent.
func NewSemaphore(s *session.Session, path string, n int, opts ...Option) *Semaphore {
	o := newOptions(opts)
	return &Semaphore{
		session: s, path: path, n: n, layout: o.layout.semaphore(path), opts: o,
		argErr: o.check(s, path, args.AtLeast(1, "the number of permits", n)),
	}
}

// Acquire waits for one permit; see AcquireN.
func (m *Semaphore) Acquire(ctx context.Context) (*Lease, error) { return m.AcquireN(ctx, 1) }

// AcquireN waits until k permits are free, and takes them all at once or none.
// Whoever waits for many holds up those behind it until it has them, so nobody
// starves, and since nobody ever has some and waits for more, no two can wait for
// each other. The lease is of all k permits: it is lost with any of them, and
// Unlock gives all of them back.
//
// When ctx ends first, AcquireN returns its cause in an error and leaves no node
// behind, if need be by removing it in the background. More permits than there
// are is a session.ErrInvalid, before anything is sent.
//
// It takes three round trips: standing in line for the right to take permits, a
// list of the permits taken, and a transaction that creates k nodes and leaves
// the line. The wait for a permit costs one more list for each that comes back, and a
// read of the stat of each permit that is taken.
//
// If no session owns one of the permits, the wait is reported as session.Hooks.Blocked
// says, and its error wraps session.ErrNoOwner.
func (m *Semaphore) AcquireN(ctx context.Context, k int) (*Lease, error) {
	return m.acquire(ctx, k, false)
}

// TryAcquire is Acquire, but returns ErrLocked where Acquire would wait for a
// permit that somebody else has.
func (m *Semaphore) TryAcquire(ctx context.Context) (*Lease, error) { return m.TryAcquireN(ctx, 1) }

// TryAcquireN is AcquireN, but returns ErrLocked where AcquireN would wait for
// permits that somebody else has, or is about to get. It does wait for those who
// are ahead of it and whose permits are free.
func (m *Semaphore) TryAcquireN(ctx context.Context, k int) (*Lease, error) {
	return m.acquire(ctx, k, true)
}

// Do runs fn while it holds a permit, as Mutex.Do does with a lock.
func (m *Semaphore) Do(ctx context.Context, fn func(context.Context, *Lease) error) error {
	return do(ctx, m.path, m.Acquire, fn)
}

// Remaining returns how many permits are free. It takes one round trip, and the
// number may have changed by the time it is looked at.
func (m *Semaphore) Remaining(ctx context.Context) (int, error) {
	if m.argErr != nil {
		return 0, m.argErr
	}
	return session.InEpoch(ctx, m.session, session.OpError{Package: "lock", Op: "list", Path: m.path}, func(e *session.Epoch) (int, error) {
		taken, err := m.listTaken(ctx, e)
		return max(m.n-len(taken), 0), err
	})
}

// Holders returns who has permits, one for each, in the order in which they were
// taken. It takes two round trips, a list and a read of every node.
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

// check refuses what could never be had.
func (m *Semaphore) check(k int) error {
	invalid := func(format string, args ...any) error {
		return &session.OpError{Package: "lock", Op: "acquire", Path: m.path, Err: fmt.Errorf("%w: "+format, append([]any{session.ErrInvalid}, args...)...)}
	}
	const perNode = 300 // a node's share of a transaction, beside its path and data
	switch {
	case m.argErr != nil:
		return m.argErr
	case k <= 0:
		return invalid("%d permits", k)
	case k > m.n:
		return invalid("%d permits, and there are %d", k, m.n)
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
		p, err := l.Join(ctx)
		if err != nil {
			return nil, err
		}
		c, err := m.wait(ctx, p, k, try)
		if err != nil {
			err = errors.Join(err, leave(ctx, p))
		} else {
			c, err = m.take(ctx, lease.Begin(ctx, c, m.opts.behavior()), k, try)
		}
		switch {
		case err == nil:
			return newLease(lease.Begin(ctx, c, m.opts.behavior()), nil)
		case !isRetryable(err):
			return nil, err
		}
	}
}

// isRetryable tells of a failed attempt whether it failed for what has happened to its
// own nodes, or their parents, so that one may try again from the beginning.
func isRetryable(err error) bool {
	return line.IsGone(err) || errors.Is(err, ErrLost) || errors.Is(err, session.ErrNoNode) || errors.Is(err, session.ErrUnknown)
}

func leave(ctx context.Context, p *line.Waiter) error {
	select {
	case err := <-p.Leave():
		return err
	case <-ctx.Done():
		return nil
	}
}

// wait waits in line for the right to take permits.
func (m *Semaphore) wait(ctx context.Context, p *line.Waiter, k int, try bool) (lease.Acquired, error) {
	var err error
	switch {
	case p.Free():
	case try:
		err = m.checkFree(ctx, p, k)
	default: // whoever has the wrong limit in mind hears of it before it has waited
		_, err = m.listTaken(ctx, p.Epoch())
	}
	if err != nil {
		return lease.Acquired{}, err
	}
	return p.Wait(ctx)
}

// take waits for permits and takes them. own is the right to do so, which it
// gives back.
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

// await waits until k permits are free. To see whether sessions own those that are
// taken, it reads the stat of each once.
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
			err = noPermits{blocked}
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
