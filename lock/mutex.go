package lock

import (
	"context"
	"errors"

	"github.com/zkrecipes/zkrecipes/internal/lease"
	"github.com/zkrecipes/zkrecipes/internal/line"
	"github.com/zkrecipes/zkrecipes/session"
)

// Mutex names a lock. It holds no state, so one value may be used by many
// goroutines; each Lock contends separately, also within a process. It is fair,
// and not reentrant.
type Mutex struct {
	line  line.Line
	terms lease.Terms
}

// New names the lock at path. All who use the same path in the same ensemble
// contend for it, with this library, with Curator's InterProcessMutex and with
// go-zookeeper's Lock; with Kazoo's Lock if WithNaming says so. Nothing is sent.
func New(s *session.Session, path string, opts ...Option) *Mutex {
	o := newOptions(opts)
	return &Mutex{
		line:  line.Line{Session: s, Path: path, Naming: o.naming.line(), Data: []byte(o.id)},
		terms: lease.Terms{Lost: ErrLost, Released: ErrReleased, LoseOnSuspend: o.loseOnSuspend},
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
	c, err := m.line.Enter(ctx)
	if err != nil {
		return nil, err
	}
	return &Lease{lease.Begin(ctx, c, m.terms)}, nil
}

// TryLock is Lock, but returns ErrLocked where Lock would wait. Then it costs a
// second round trip, for removing its node again.
func (m *Mutex) TryLock(ctx context.Context) (*Lease, error) {
	c, ok, err := m.line.TryEnter(ctx)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, ErrLocked
	}
	return &Lease{lease.Begin(ctx, c, m.terms)}, nil
}

// Do runs fn while it holds the lock. The context that fn is given ends when ctx
// does and when the lock is lost; Do waits for fn in either case, and only then
// releases the lock. A nil error says that fn returned nil and that the lock was
// held all the while.
func (m *Mutex) Do(ctx context.Context, fn func(context.Context, *Lease) error) (err error) {
	l, err := m.Lock(ctx)
	if err != nil {
		return err
	}
	// The lock is released whatever has become of ctx, and if fn panics.
	defer func() {
		if uerr := l.Unlock(context.WithoutCancel(ctx)); errors.Is(uerr, ErrLost) {
			err = errors.Join(err, uerr)
		}
	}()
	fctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(l.Context(), func() { cancel(l.Err()) })()
	return fn(fctx, l)
}

// Contender is one who holds the lock or waits for it.
type Contender struct {
	ID    string       // as given WithID; another library's may be anything
	Token session.Zxid // that it has, or will have once it holds the lock
	Path  string       // its node
}

// Contenders returns who holds the lock and then who waits for it, in order. It
// takes two round trips, a list and a read of every node.
func (m *Mutex) Contenders(ctx context.Context) ([]Contender, error) {
	nodes, err := m.line.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	cs := make([]Contender, len(nodes))
	for i, n := range nodes {
		cs[i] = Contender{ID: string(n.Data), Token: n.Stat.Czxid, Path: n.Path}
	}
	return cs, nil
}
