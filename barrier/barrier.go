package barrier

import (
	"context"
	"errors"

	"github.com/zkrecipes/zkrecipes/session"
)

// Barrier names a barrier. It holds no state, so one value may be used by many
// goroutines.
type Barrier struct {
	session *session.Session
	path    string
	data    []byte
	argErr  error // of New: what every call returns
}

// New names the barrier at path. All who use the same path in the same ensemble
// share it, with this library, with Curator's DistributedBarrier and with Kazoo's
// Barrier. Nothing is sent.
func New(s *session.Session, path string, opts ...Option) *Barrier {
	o := newOptions(opts)
	return &Barrier{session: s, path: path, data: []byte(o.id), argErr: o.check(s, path)}
}

// Raise puts the barrier up. If it is up already, that is as good. It stays up
// until somebody lowers it, whatever becomes of this session.
//
// It takes one round trip, a transaction that creates the node. The error is
// session.ErrUnknown if ctx or the session ends meanwhile and the barrier is not
// known to be up: then it may have been up and lowered again.
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

// Lower takes the barrier down and releases all who wait. If it is down already,
// that is as good.
//
// It takes one round trip, a transaction that deletes the node. The error is
// session.ErrUnknown if ctx or the session ends meanwhile and the barrier is not
// known to be down: then it may have been down and raised again.
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

// commit makes a write whose outcome is known even if its reply is lost: should it
// have been made, and undone by somebody else since, it must not be made again.
func (b *Barrier) commit(ctx context.Context, verb string, op session.Op) error {
	_, err := session.InEpoch(ctx, b.session, session.OpError{Package: "barrier", Op: verb, Path: b.path}, func(e *session.Epoch) ([]session.Result, error) {
		return e.TxnDetached(ctx, nil, op)
	})
	return err
}

// unless returns err, the outcome of a write, unless it is unknown and the barrier
// is as it should be.
func (b *Barrier) unless(ctx context.Context, err error, up bool) error {
	if errors.Is(err, session.ErrUnknown) {
		if now, lookErr := b.Raised(ctx); lookErr == nil && now == up {
			return nil
		}
	}
	return err
}

// Raised tells whether the barrier is up. It sees every change that was complete
// when it was called, for which it takes two round trips: a sync and a read.
func (b *Barrier) Raised(ctx context.Context) (bool, error) {
	if b.argErr != nil {
		return false, b.argErr
	}
	if err := b.session.Sync(ctx, b.path); err != nil {
		return false, err
	}
	_, up, err := b.session.Exists(ctx, b.path)
	return up, err
}

// Wait waits until the barrier is down. It returns at once if the barrier is down
// when it is called, and otherwise once it has been lowered, even if it is raised
// again right away. The wait survives reconnects and the end of sessions. When ctx
// ends first, Wait returns its cause in an error.
//
// It takes two round trips, a sync and a read that sets a watch.
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

type waiter struct {
	*Barrier
	czxid session.Zxid // the node that is waited for, by its czxid; 0 before the first look
}

// wait waits within an epoch.
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
		case w.czxid != 0 && w.czxid != n.Stat.Czxid: // lowered and raised again, unnoticed
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
