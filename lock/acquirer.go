package lock

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/internal/recipe/line"
	"github.com/zkrecipes/zkrecipes/session"
)

// acquirer is what one stands in line for, and on which terms.
type acquirer struct {
	line     line.Line
	behavior lease.Behavior
}

func newAcquirer(l line.Line, o options) acquirer {
	l.Data, l.StopTime, l.Err = []byte(o.id), o.stopTime, o.check(l.Session, l.Path)
	return acquirer{l, o.behavior()}
}

func (t *acquirer) lock(ctx context.Context) (*lease.Lease, error) {
	c, err := t.line.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	return lease.Begin(ctx, c, t.behavior), nil
}

func (t *acquirer) tryLock(ctx context.Context) (*lease.Lease, error) {
	c, ok, blocked, err := t.line.TryAcquire(ctx)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, locked(blocked)
	}
	return lease.Begin(ctx, c, t.behavior), nil
}

// locked is ErrLocked, with what Epoch.Blocked says of the node that is in the way.
func locked(blocked error) error {
	if blocked == nil {
		return ErrLocked
	}
	return fmt.Errorf("%w: %w", ErrLocked, blocked)
}

// Contender is one who holds a lock or waits for it.
type Contender struct {
	ID      string       // as given WithID; another library's may be anything; "" once it was asked to let go
	Token   session.Zxid // that it has, or will have once it holds the lock; greater than that of a lease that was downgraded
	Path    string       // its node
	Session int64        // the ZooKeeper session that owns the node; 0 if none does, so that it stays until somebody removes it
	Reader  bool         // it shares the lock, or waits to share it
	Revoked bool         // somebody has asked it to let go; see Lease.Revoked
}

func newContender(n session.Node, reader bool) Contender {
	c := Contender{ID: string(n.Data), Token: n.Stat.Czxid, Path: n.Path, Session: n.Stat.Owner(), Reader: reader}
	if bytes.Equal(n.Data, revokeData) {
		c.ID, c.Revoked = "", true
	}
	return c
}

func (t *acquirer) contenders(ctx context.Context) ([]Contender, error) {
	nodes, err := t.line.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	cs := make([]Contender, len(nodes))
	for i, n := range nodes {
		cs[i] = newContender(n.Node, n.Kind == line.Shared)
	}
	return cs, nil
}

// ownership is a Lease or a MultiLease.
type ownership interface {
	Context() context.Context
	Err() error
	Unlock(context.Context) error
}

// do runs fn while it holds what acquire returns.
func do[L ownership](ctx context.Context, path string, acquire func(context.Context) (L, error), fn func(context.Context, L) error) (err error) {
	if fn == nil {
		return &session.OpError{Package: "lock", Op: "do", Path: path, Err: args.Invalid("the function is nil")}
	}
	l, err := acquire(ctx)
	if err != nil {
		return err
	}
	// The lock is released whatever has become of ctx, and if fn panics.
	defer func() {
		if uerr := l.Unlock(context.WithoutCancel(ctx)); uerr != nil && !errors.Is(uerr, ErrReleased) {
			err = errors.Join(err, uerr)
		}
	}()
	fctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(l.Context(), func() { cancel(l.Err()) })()
	return fn(fctx, l)
}
