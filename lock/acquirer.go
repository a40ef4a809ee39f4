package lock

import (
	"context"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/internal/recipe/line"
	"github.com/zkrecipes/zkrecipes/session"
)

// acquirer acquires locks in one line, with one set of options.
type acquirer struct {
	line     line.Line
	behavior lease.Behavior
}

func newAcquirer(l line.Line, o options) acquirer {
	l.Data, l.StopTime, l.Err = []byte(o.id), o.stopTime, o.check(l.Session, l.Path)
	return acquirer{l, o.behavior()}
}

func (a *acquirer) lock(ctx context.Context) (*lease.Lease, error) {
	acquired, err := a.line.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	return lease.Begin(ctx, acquired, a.behavior), nil
}

func (a *acquirer) tryLock(ctx context.Context) (*lease.Lease, error) {
	acquired, taken, err := a.line.TryAcquire(ctx)
	if err != nil {
		return nil, err
	}
	if taken != nil {
		return nil, taken.Wrap(ErrLocked, revokeData)
	}
	return lease.Begin(ctx, acquired, a.behavior), nil
}

// Contender is a holder of a lock or a waiter for it.
type Contender struct {
	ID      string       // the value of WithID, or the data of another library's node; "" after Revoke
	Token   session.Zxid // the token of its lease, also while it waits; greater than that of a downgraded lease
	Path    string       // of its node
	Session int64        // the ZooKeeper session that owns the node; 0 for an ownerless node, which stays until it is deleted
	Since   time.Time    // when the node was created, by the clock of a server: the holder may have waited since
	Reader  bool         // shares the lock, or waits to share it
	Revoked bool         // was asked to release the lock; see Lease.Revoked
}

func newContender(n session.Node, reader bool) Contender {
	c := Contender{ID: string(n.Data), Token: n.Stat.Czxid, Path: n.Path, Session: n.Stat.Owner(), Since: n.Stat.Ctime, Reader: reader}
	if isRevoke(n.Data) {
		c.ID, c.Revoked = "", true
	}
	return c
}

func (a *acquirer) contenders(ctx context.Context) ([]Contender, error) {
	nodes, err := a.line.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	cs := make([]Contender, len(nodes))
	for i, n := range nodes {
		cs[i] = newContender(n.Node, n.Kind == line.Shared)
	}
	return cs, nil
}

// do is the operation of Do at path.
func do(path string) session.OpError {
	return session.OpError{Package: "lock", Op: "do", Path: path}
}
