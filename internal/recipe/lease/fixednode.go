package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// FixedNode acquires an ephemeral node of a fixed name. Use it for few waiters: all
// of them try to create the node when it is deleted, and there is no order among
// them.
type FixedNode struct {
	Session  *session.Session
	Package  string // of the recipe, for OpErrors
	Path     string
	StopTime time.Duration // of the lease that will be made of the node
}

// Acquire waits until there is no node, and creates it with data. The wait survives
// reconnects and the end of a ZooKeeper session. If ctx is done first, no node is
// left.
//
// It takes one round trip if there is no node.
func (s FixedNode) Acquire(ctx context.Context, data []byte) (Acquired, error) {
	return s.acquire(ctx, data, true)
}

// TryAcquire creates the node if there is none. Otherwise taken describes the existing
// node.
//
// It takes one round trip, and a second one if the node exists.
func (s FixedNode) TryAcquire(ctx context.Context, data []byte) (c Acquired, taken *Taken, err error) {
	c, err = s.acquire(ctx, data, false)
	if !errors.Is(err, session.ErrNodeExists) {
		return c, nil, err
	}
	taken = new(Taken)
	if e, err := s.Session.Epoch(ctx); err == nil {
		taken = ReadTaken(ctx, e, s.Path)
	}
	return Acquired{}, taken, nil
}

func (s FixedNode) acquire(ctx context.Context, data []byte, wait bool) (Acquired, error) {
	return session.InEpoch(ctx, s.Session, session.OpError{Package: s.Package, Op: "acquire", Path: s.Path}, func(e *session.Epoch) (Acquired, error) {
		return s.acquireIn(ctx, e, data, wait)
	})
}

// acquireIn returns session.ErrNodeExists if the node exists and wait is false.
func (s FixedNode) acquireIn(ctx context.Context, e *session.Epoch, data []byte, wait bool) (Acquired, error) {
	if err := e.CheckStopTime(s.Path, s.StopTime); err != nil {
		return Acquired{}, err
	}
	for {
		_, st, err := e.Create(ctx, s.Path, data, session.Ephemeral(), session.Parents())
		if err == nil {
			return s.acquired(ctx, e, st)
		}
		if !wait || !errors.Is(err, session.ErrNodeExists) {
			return Acquired{}, err
		}
		if err := AwaitDeletion(ctx, e, s.Path); err != nil {
			return Acquired{}, err
		}
	}
}

func (s FixedNode) acquired(ctx context.Context, e *session.Epoch, st session.Stat) (Acquired, error) {
	return AwaitProof(ctx, Acquired{Package: s.Package, Epoch: e, Path: s.Path, Token: st.Czxid, Version: st.Version}, s.StopTime)
}

// AwaitProof sets StopProving for a node that was just created, so that its lease
// can begin. With a stop time it waits until the epoch's proofs allow such a lease.
// If AwaitProof fails, it deletes the node.
func AwaitProof(ctx context.Context, c Acquired, stop time.Duration) (Acquired, error) {
	stopProving, err := c.Epoch.KeepProvingFor(ctx, stop)
	if err == nil {
		if err = c.Epoch.AwaitStopTime(ctx, stop); err != nil {
			stopProving()
		}
	}
	if err != nil {
		c.Epoch.DeleteEventually(c.Path, c.Token, nil)
		return Acquired{}, &session.OpError{Package: c.Package, Op: "acquire", Path: c.Path, Err: err}
	}
	c.StopProving = stopProving
	return c, nil
}

// WithReason returns the cause of ctx, joined with blocked if that is not nil: the
// error of Epoch.Blocked for what the caller waited for.
func WithReason(ctx context.Context, blocked error) error {
	if blocked == nil {
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: %w", context.Cause(ctx), blocked)
}

// AwaitDeletion waits until there is no node at path. If ctx is done first and no
// session owns the node, the error wraps session.ErrNoOwner as well.
func AwaitDeletion(ctx context.Context, e *session.Epoch, path string) error {
	for {
		st, w, err := e.WatchNode(ctx, path)
		if errors.Is(err, session.ErrNoNode) {
			return nil
		}
		if err != nil {
			return err
		}
		blocked := e.Blocked(path, st)
		if err := w.Wait(ctx); err != nil {
			if blocked != nil && ctx.Err() != nil {
				err = &session.OpError{Op: "wait for", Path: path, Err: WithReason(ctx, blocked)}
			}
			return err
		}
		if w.Deleted() {
			return nil
		}
	}
}
