package barrier

import (
	"context"
	"errors"

	"github.com/zkrecipes/zkrecipes/session"
)

// Barrier is a barrier that is up or down. It holds no state, so one value may be used
// by many goroutines.
type Barrier struct {
	session *session.Session
	path    string
	data    []byte
	argErr  error // of New; every call returns it
}

// New returns the barrier at path. All clients that use the same path in the same
// ensemble share it, with this library, with Curator's DistributedBarrier or with
// Kazoo's Barrier. New sends nothing.
func New(s *session.Session, path string, opts ...Option) *Barrier {
	o := newOptions(opts)
	return &Barrier{session: s, path: path, data: []byte(o.id), argErr: o.check(s, path)}
}

// Raise puts the barrier up. If it is up already, Raise returns nil. The barrier stays
// up until a client lowers it, also after this session has ended.
//
// The error is session.ErrUnknown if ctx or the session ends before the outcome is
// known and the barrier is not known to be up. It may then have been raised and
// lowered again.
//
// Raise takes one round trip, a transaction that creates the node.
func (b *Barrier) Raise(ctx context.Context) error {
	if b.argErr != nil {
		return b.argErr
	}
	for {
		err := b.commit(ctx, "raise", session.OpCreate(b.path, b.data))
		switch {
		case errors.Is(err, session.ErrNodeExists):
			return nil
		case errors.Is(err, session.ErrNoNode):
			if err := b.session.CreateAncestors(ctx, b.path); err != nil {
				return err
			}
		default:
			return b.unless(ctx, err, true)
		}
	}
}

// Lower takes the barrier down, so that all waiting calls of Wait return. If it is
// down already, Lower returns nil.
//
// The error is session.ErrUnknown if ctx or the session ends before the outcome is
// known and the barrier is not known to be down. It may then have been lowered and
// raised again.
//
// Lower takes one round trip, a transaction that deletes the node.
func (b *Barrier) Lower(ctx context.Context) error {
	if b.argErr != nil {
		return b.argErr
	}
	err := b.commit(ctx, "lower", session.OpDelete(b.path, session.AnyVersion))
	if errors.Is(err, session.ErrNoNode) {
		return nil
	}
	return b.unless(ctx, err, false)
}

// commit makes a write whose outcome is known even if its reply is lost. A write that
// was committed, and undone by another client since, must not be made again.
func (b *Barrier) commit(ctx context.Context, verb string, op session.Op) error {
	_, err := session.InEpoch(ctx, b.session, session.OpError{Package: "barrier", Op: verb, Path: b.path}, func(e *session.Epoch) ([]session.Result, error) {
		return e.TxnDetached(ctx, nil, op)
	})
	return err
}

// unless returns err, the error of a write, or nil if the outcome is unknown but the
// barrier is in the wanted state.
func (b *Barrier) unless(ctx context.Context, err error, up bool) error {
	if errors.Is(err, session.ErrUnknown) {
		if now, lookErr := b.Raised(ctx); lookErr == nil && now == up {
			return nil
		}
	}
	return err
}

// Raised reports whether the barrier is up. It sees every change that was complete
// when it was called. It takes two round trips, a sync and a read.
func (b *Barrier) Raised(ctx context.Context) (bool, error) {
	if b.argErr != nil {
		return false, b.argErr
	}
	return session.InEpoch(ctx, b.session, session.OpError{Package: "barrier", Op: "read", Path: b.path}, func(e *session.Epoch) (bool, error) {
		if err := e.Sync(ctx, b.path); err != nil {
			return false, err
		}
		nodes, err := e.Stats(ctx, b.path)
		if err != nil {
			return false, err
		}
		if err := nodes[0].Err; err != nil && !errors.Is(err, session.ErrNoNode) {
			return false, err
		}
		return nodes[0].Err == nil, nil
	})
}

// Wait blocks until the barrier is down or ctx is done. It returns immediately if the
// barrier is down when it is called, and otherwise when it has been lowered, even if
// it is raised again immediately. The wait survives reconnects and the end of
// ZooKeeper sessions. If ctx is done first, the error wraps context.Cause(ctx).
//
// Wait takes two round trips, a sync and a read that sets a watch.
func (b *Barrier) Wait(ctx context.Context) error {
	if b.argErr != nil {
		return b.argErr
	}
	w := waiter{Barrier: b}
	_, err := session.InEpoch(ctx, b.session, session.OpError{Package: "barrier", Op: "wait at", Path: b.path}, func(e *session.Epoch) (struct{}, error) {
		return struct{}{}, w.wait(ctx, e)
	})
	return err
}

// waiter is one call of Wait.
type waiter struct {
	*Barrier
	czxid session.Zxid // of the node whose deletion is awaited; 0 before the first read
}

// wait is Wait within one epoch.
func (w *waiter) wait(ctx context.Context, e *session.Epoch) error {
	if err := e.Sync(ctx, w.path); err != nil {
		return err
	}
	for {
		nodes, err := e.WatchNodes(ctx, w.path)
		if err != nil {
			return err
		}
		switch n := nodes[0]; {
		case errors.Is(n.Err, session.ErrNoNode):
			return nil
		case n.Err != nil:
			return n.Err
		case w.czxid != 0 && w.czxid != n.Stat.Czxid: // lowered and raised again between two reads
			n.Watch.Close()
			return nil
		default:
			w.czxid = n.Stat.Czxid
			if err := n.Watch.Wait(ctx); err != nil {
				return err
			}
			if n.Watch.Deleted() {
				return nil
			}
		}
	}
}
