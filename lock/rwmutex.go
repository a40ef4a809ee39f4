package lock

import (
	"context"
	"errors"
	"fmt"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/internal/recipe/line"
	"github.com/zkrecipes/zkrecipes/session"
)

// RWMutex names a lock that any number of readers share and that a writer has
// alone. It holds no state, and is fair: a reader waits for the writers that came
// before it, and a writer for everybody that did, so neither can starve the
// other. It is not reentrant.
type RWMutex struct{ read, write acquirer }

// NewRW names the lock at path. All who use the same path in the same ensemble
// contend for it, with this library and with Curator's
// InterProcessReadWriteLock, or with Kazoo's ReadLock and WriteLock if WithNaming
// says so. A Mutex at the same path, and go-zookeeper's Lock, are writers among
// them; Curator's InterProcessMutex is not, because it does not see readers.
// Nothing is sent.
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

// Lock waits until the lock is held for writing, alone. It promises and costs
// what Mutex.Lock does; a hand-off from a writer costs one list more, since a
// writer may have become a reader.
//
// A reader that wants to write must let go first: two readers who wait for each
// other to do so would wait forever.
func (m *RWMutex) Lock(ctx context.Context) (*Lease, error) { return m.writing(m.write.lock(ctx)) }

// TryLock is Lock, but returns ErrLocked where Lock would wait.
func (m *RWMutex) TryLock(ctx context.Context) (*Lease, error) {
	return m.writing(m.write.tryLock(ctx))
}

func (m *RWMutex) writing(l *lease.Lease, err error) (*Lease, error) {
	if err != nil {
		return nil, err
	}
	return &Lease{l: l, downgradeTo: &m.read}, nil
}

// RLock waits until the lock is held for reading, beside other readers. It
// promises and costs what Mutex.Lock does; readers who wait for the same writer
// hold the lock as soon as it is gone, with nothing to read.
func (m *RWMutex) RLock(ctx context.Context) (*Lease, error) { return newLease(m.read.lock(ctx)) }

// TryRLock is RLock, but returns ErrLocked where RLock would wait: if a writer
// holds the lock, or waits for it.
func (m *RWMutex) TryRLock(ctx context.Context) (*Lease, error) { return newLease(m.read.tryLock(ctx)) }

// Enter stands in line to write without waiting; see Place.
func (m *RWMutex) Enter(ctx context.Context) (*Place, error) { return enter(ctx, &m.write, &m.read) }

// REnter stands in line to read without waiting; see Place.
func (m *RWMutex) REnter(ctx context.Context) (*Place, error) { return enter(ctx, &m.read, nil) }

// Do is Mutex.Do with the lock held for writing. To downgrade, use Lock: it would
// end the lease, and with it the context of fn.
func (m *RWMutex) Do(ctx context.Context, fn func(context.Context, *Lease) error) error {
	return do(ctx, m.write.line.Path, m.Lock, fn)
}

// RDo is Do with the lock held for reading.
func (m *RWMutex) RDo(ctx context.Context, fn func(context.Context, *Lease) error) error {
	return do(ctx, m.read.line.Path, m.RLock, fn)
}

// Contenders returns who stands in line: the writer that holds the lock, or the
// readers that share it, and then who waits, in order. Those before the first
// writer hold it. It takes two round trips, a list and a read of every node.
func (m *RWMutex) Contenders(ctx context.Context) ([]Contender, error) {
	return m.read.contenders(ctx)
}

// Downgrade turns a lease that RWMutex.Lock returned into one that shares the
// lock with readers, and lets no writer in between. The new lease has the old
// one's place in line and its Token, since nobody can have written after it. A
// request to let go that was made of the old one holds for the new one.
//
// Downgrade ends the old lease first, as Unlock does. When it fails, the lock is
// not held any more: the error is that of Err if the lease was lost, and the
// cause of ctx if that ended first. It takes one round trip, a transaction that
// puts the reader's node in the place of the writer's.
func (l *Lease) Downgrade(ctx context.Context) (*Lease, error) {
	if l.downgradeTo == nil {
		return nil, &session.OpError{Package: "lock", Op: "downgrade", Path: l.Path(),
			Err: fmt.Errorf("%w: not a lease of RWMutex.Lock", session.ErrInvalid)}
	}
	parent, name := session.Split(l.Path())
	heir := session.Join(parent, l.downgradeTo.line.Layout.DowngradedName(session.GUID(), name))
	data := l.downgradeTo.line.Data
	select {
	case <-l.Revoked():
		data = revokeData // whoever has asked is not to ask again
	default:
	}
	c, err := l.l.Replace(ctx, lease.Replacement{Path: heir, Data: data})
	switch {
	case errors.Is(err, session.ErrNoNode), errors.Is(err, session.ErrExpired), errors.Is(err, session.ErrUnknown):
		return nil, fmt.Errorf("%w: %w", ErrLost, err)
	case err != nil:
		return nil, err
	}
	c.Token = l.Token()
	return &Lease{l: lease.Begin(l.Context(), c, l.downgradeTo.behavior)}, nil
}
