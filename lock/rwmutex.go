package lock

import (
	"context"
	"errors"
	"fmt"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/internal/recipe/line"
	"github.com/zkrecipes/zkrecipes/internal/recipe/run"
	"github.com/zkrecipes/zkrecipes/session"
)

// RWMutex is a lock that any number of readers share, or that one writer holds alone.
// It is a name without state, and not reentrant. It is fair: a reader waits for the
// writers ahead of it, and a writer for all contenders ahead of it, so neither can
// starve the other.
type RWMutex struct{ read, write acquirer }

// NewRW returns the lock at path. It sends nothing.
//
// All clients that use the same path in the same ensemble contend for the lock: with
// this library and with Curator's InterProcessReadWriteLock, or with Kazoo's ReadLock
// and WriteLock under WithLayout(Kazoo). A Mutex at the same path and go-zookeeper's
// Lock take part as writers. Do not use Curator's InterProcessMutex at the same path:
// it does not recognize readers.
//
// The algorithm is the shared lock of the ZooKeeper recipes.
func NewRW(s *session.Session, path string, opts ...Option) *RWMutex {
	o := newOptions(opts)
	read, write := o.layout.readWrite()
	return &RWMutex{
		read:  newAcquirer(line.Line{Package: "lock", Session: s, Path: path, Layout: read}, o),
		write: newAcquirer(line.Line{Package: "lock", Session: s, Path: path, Layout: write}, o),
	}
}

// Lock blocks until it holds the lock for writing or ctx is done. Order, reconnects, the
// end of ctx, errors and costs are as for Mutex.Lock. Acquiring the lock after a writer
// takes one more listing, since the writer may have become a reader.
//
// A reader that wants to write must release the lock first: two readers that waited for
// each other would wait forever.
func (m *RWMutex) Lock(ctx context.Context) (*Lease, error) { return m.writing(m.write.lock(ctx)) }

// TryLock is like Lock, but returns ErrLocked instead of waiting.
func (m *RWMutex) TryLock(ctx context.Context) (*Lease, error) {
	return m.writing(m.write.tryLock(ctx))
}

func (m *RWMutex) writing(l *lease.Lease, err error) (*Lease, error) {
	if err != nil {
		return nil, err
	}
	return &Lease{l: l, downgradeTo: &m.read}, nil
}

// RLock blocks until it holds the lock for reading, which other readers may hold too, or
// ctx is done. Order, reconnects, the end of ctx, errors and costs are as for Mutex.Lock.
// All readers that wait for the same writer hold the lock as soon as that writer's node
// is deleted, without a further read.
func (m *RWMutex) RLock(ctx context.Context) (*Lease, error) { return newLease(m.read.lock(ctx)) }

// TryRLock is like RLock, but returns ErrLocked if a writer holds the lock or waits for
// it.
func (m *RWMutex) TryRLock(ctx context.Context) (*Lease, error) { return newLease(m.read.tryLock(ctx)) }

// Enter joins the line as a writer without waiting; see Place.
func (m *RWMutex) Enter(ctx context.Context) (*Place, error) { return enter(ctx, &m.write, &m.read) }

// REnter joins the line as a reader without waiting; see Place.
func (m *RWMutex) REnter(ctx context.Context) (*Place, error) { return enter(ctx, &m.read, nil) }

// Do is like Mutex.Do, with the lock held for writing. If the work needs Downgrade, use
// Lock: a downgrade ends the lease, and with it the context of fn.
func (m *RWMutex) Do(ctx context.Context, fn func(context.Context, *Lease) error) error {
	return run.Do(ctx, do(m.write.line.Path), m.Lock, fn)
}

// RDo is like Do, with the lock held for reading.
func (m *RWMutex) RDo(ctx context.Context, fn func(context.Context, *Lease) error) error {
	return run.Do(ctx, do(m.read.line.Path), m.RLock, fn)
}

// Contenders returns the writer that holds the lock, or the readers that share it,
// followed by the waiters in order. If the first is a reader, all readers before the
// first writer hold the lock. It takes two round trips, a listing and a read of all
// nodes.
func (m *RWMutex) Contenders(ctx context.Context) ([]Contender, error) {
	return m.read.contenders(ctx)
}

// Downgrade replaces a lease that RWMutex.Lock returned by one that shares the lock with
// readers. No writer can acquire the lock in between. The new lease has the position
// and the Token of the old one, since no writer can have held the lock in the meantime.
// If the old lease was revoked, the new one is revoked too.
//
// Downgrade ends the old lease first, as Unlock does. If it fails, the lock is no
// longer held: the error is that of Err if the lease was lost, or wraps the cause of
// ctx if ctx ended first. It takes one round trip, a transaction that replaces the
// writer's node by a reader's.
func (l *Lease) Downgrade(ctx context.Context) (*Lease, error) {
	if l.downgradeTo == nil {
		return nil, &session.OpError{Package: "lock", Op: "downgrade", Path: l.Path(),
			Err: fmt.Errorf("%w: not a lease of RWMutex.Lock", session.ErrInvalid)}
	}
	parent, name := session.Split(l.Path())
	node := session.Join(parent, l.downgradeTo.line.Layout.DowngradedName(session.GUID(), name))
	data := l.downgradeTo.line.Data
	select {
	case <-l.Revoked():
		data = revokeData // so that the request need not be repeated
	default:
	}
	c, err := l.l.Replace(ctx, lease.Replacement{Path: node, Data: data})
	switch {
	case errors.Is(err, session.ErrNoNode), errors.Is(err, session.ErrExpired), errors.Is(err, session.ErrUnknown):
		return nil, fmt.Errorf("%w: %w", ErrLost, err)
	case err != nil:
		return nil, err
	}
	c.Token = l.Token()
	return &Lease{l: lease.Begin(l.Context(), c, l.downgradeTo.behavior)}, nil
}
