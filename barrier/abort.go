package barrier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/session"
)

// errReenter is returned if the member is in no round and Enter must start again with
// a new one.
var errReenter = errors.New("barrier: to be entered again")

// abortGrace is how long Enter continues after ctx is done, to find out whether it has
// withdrawn in time.
const abortGrace = time.Second

// withdrawal is what was found out about a member that withdraws.
type withdrawal struct {
	round      *round // that has begun with the member; nil if none has
	nodeExists bool   // the member's node exists, and so its session is alive
	czxid      session.Zxid
	err        error // why the outcome is not known
}

// abort ends an Enter that cannot continue because of cause. It withdraws the member.
// If a round has begun with the member, abort returns nil if the member is still in
// it, and ErrLost otherwise.
func (m *member) abort(ctx context.Context, cause error) error {
	if errors.Is(cause, session.ErrClosed) {
		return cause
	}
	for e := m.epoch; m.mayExist; {
		if e.Err() != nil {
			var err error
			if e, err = m.session.Epoch(ctx); err != nil {
				return m.failed(fmt.Errorf("%w: %w", session.ErrUnknown, err))
			}
		}
		f := m.resolveIn(ctx, e)
		switch {
		case f.err != nil && e.Err() != nil && ctx.Err() == nil:
			continue
		case f.err != nil:
			return m.failed(fmt.Errorf("%w: %w", session.ErrUnknown, f.err))
		case f.round == nil:
			m.mayExist = false
		case e == m.epoch && f.nodeExists:
			return m.keepRound(ctx, f)
		default:
			return fmt.Errorf("%w: %w", ErrLost, m.reason())
		}
	}
	switch {
	case ctx.Err() != nil:
		return m.failed(lease.WithReason(ctx, m.blocked))
	case m.epoch.Err() != nil, errors.Is(cause, errGone):
		return errReenter
	}
	return cause
}

// keepRound puts the member into the round that has begun while it withdrew.
func (m *member) keepRound(ctx context.Context, f withdrawal) error {
	m.round, m.czxid = f.round, f.czxid
	if m.stopProving == nil {
		stopProving, err := m.epoch.KeepProvingFor(ctx, m.behavior.StopTime)
		if err != nil {
			m.epoch.DeleteEventually(m.own, 0, nil)
			return fmt.Errorf("%w: %w", ErrLost, err)
		}
		m.stopProving = stopProving
	}
	return nil
}

// reason returns why the member's node does not exist any more.
func (m *member) reason() error {
	if err := m.epoch.Err(); err != nil {
		return err
	}
	return session.ErrNoNode
}

// resolveIn runs resolve in an epoch and waits for its outcome until ctx is done, and
// then for at most abortGrace while there is a connection. If a round turns out to
// have begun after the wait has ended, the member leaves it.
func (m *member) resolveIn(ctx context.Context, e *session.Epoch) withdrawal {
	settled, left := make(chan withdrawal), make(chan struct{})
	started := e.Go(func() {
		f := m.resolve(e)
		select {
		case settled <- f:
		case <-left:
			if f.round != nil {
				e.DeleteEventually(m.own, 0, nil)
			}
		}
		if f.err != nil && e.Err() == nil {
			e.DeleteEventually(m.own, 0, nil)
		}
	})
	if !started {
		return withdrawal{err: session.ErrClosed}
	}
	select {
	case f := <-settled:
		return f
	case <-ctx.Done():
	}
	timer := time.NewTimer(abortGrace)
	defer timer.Stop()
	select {
	case f := <-settled:
		return f
	case <-e.Suspended():
	case <-timer.C:
	}
	close(left)
	return withdrawal{err: context.Cause(ctx)}
}

// resolve deletes the member's node unless a round has begun with the member. It does
// not depend on replies: the record and the node show what happened.
func (m *member) resolve(e *session.Epoch) withdrawal {
	ctx, base := e.Context(), m.base.Stat
	if e != m.epoch { // another ZooKeeper session, whose server may lag behind
		if err := e.Sync(ctx, m.path); err != nil {
			return withdrawal{err: err}
		}
	}
	for {
		_, err := e.Txn(ctx, session.OpCheck(m.path, base.Version), session.OpDelete(m.own, session.AnyVersion))
		if err == nil {
			return withdrawal{}
		}
		if err := isRetryable(ctx, e, err); err != nil {
			return withdrawal{err: err}
		}
		nodes, err := e.Nodes(ctx, m.path, m.own)
		if err != nil {
			return withdrawal{err: err}
		}
		path, own := nodes[0], nodes[1]
		if errors.Is(own.Err, session.ErrNoNode) && m.pathUnwritten(e) {
			return withdrawal{}
		}
		if path.Err != nil {
			return withdrawal{err: path.Err}
		}
		if r := m.roundIn(path); r != nil {
			return withdrawal{round: r, nodeExists: own.Err == nil, czxid: own.Stat.Czxid}
		}
		switch {
		case own.Err == nil: // and so no earlier round has begun with it either
			base = path.Stat
		case !errors.Is(own.Err, session.ErrNoNode):
			return withdrawal{err: own.Err}
		case path.Stat.Czxid == base.Czxid && path.Stat.Version-base.Version <= 1: // no round has been missed
			return withdrawal{}
		default:
			return withdrawal{err: own.Err}
		}
	}
}

// pathUnwritten reports whether the path is known to have been deleted before anything
// was written to it, and so before a round had begun with this member.
func (m *member) pathUnwritten(e *session.Epoch) bool {
	w := m.base.Watch
	return e == m.epoch && w.HasFired() && w.Deleted() && w.SameConnection()
}
