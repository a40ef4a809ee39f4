package barrier

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/session"
)

// errReenter says that the member is in no round, and another may take its place.
var errReenter = errors.New("barrier: to be entered again")

// abortGrace is how long Enter stays after ctx has ended, to learn whether it has
// withdrawn in time.
const abortGrace = time.Second

// outcome is what has become of a member that is not to go on.
type outcome struct {
	round      *round // that has begun with it; nil if none has
	nodeExists bool   // its node still is, and so is its session
	czxid      session.Zxid
	err        error // why nothing is known
}

// abort ends an Enter that cannot go on because of cause. It withdraws the
// member, or finds out that a round has begun with it: then it returns nil if the
// member is still in it.
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

// keepRound makes the member one of a round that it was about to withdraw from.
func (m *member) keepRound(ctx context.Context, f outcome) error {
	m.round, m.czxid = f.round, f.czxid
	if m.stopProving == nil {
		hold, err := m.epoch.KeepProvingFor(ctx, m.behavior.StopTime)
		if err != nil {
			m.epoch.DeleteEventually(m.own, 0, nil)
			return fmt.Errorf("%w: %w", ErrLost, err)
		}
		m.stopProving = hold
	}
	return nil
}

// reason is why the member's node is not there any more.
func (m *member) reason() error {
	if err := m.epoch.Err(); err != nil {
		return err
	}
	return session.ErrNoNode
}

// resolveIn has the member's fate settled in an epoch, and waits for it: while ctx
// lives, and a little longer while there is a connection. Should nobody be waiting
// any more when it turns out that a round has begun with the member, it leaves.
func (m *member) resolveIn(ctx context.Context, e *session.Epoch) outcome {
	settled, left := make(chan outcome), make(chan struct{})
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
		return outcome{err: session.ErrClosed}
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
	return outcome{err: context.Cause(ctx)}
}

// resolve removes the member's node, unless a round has begun with it. What it
// does needs no reply to be known, for the record and the node tell afterwards.
func (m *member) resolve(e *session.Epoch) outcome {
	ctx, base := e.Context(), m.base.Stat
	if e != m.epoch { // another session, whose server may be behind
		if err := e.Sync(ctx, m.path); err != nil {
			return outcome{err: err}
		}
	}
	for {
		_, err := e.Txn(ctx, session.OpCheck(m.path, base.Version), session.OpDelete(m.own, session.AnyVersion))
		if err == nil {
			return outcome{}
		}
		if err := isRetryable(ctx, e, err); err != nil {
			return outcome{err: err}
		}
		nodes, err := e.Nodes(ctx, m.path, m.own)
		if err != nil {
			return outcome{err: err}
		}
		path, own := nodes[0], nodes[1]
		if errors.Is(own.Err, session.ErrNoNode) && m.pathUnwritten(e) {
			return outcome{}
		}
		if path.Err != nil {
			return outcome{err: path.Err}
		}
		if r := m.roundIn(path); r != nil {
			return outcome{round: r, nodeExists: own.Err == nil, czxid: own.Stat.Czxid}
		}
		switch {
		case own.Err == nil: // and so it has been in no round before the latest either
			base = path.Stat
		case !errors.Is(own.Err, session.ErrNoNode):
			return outcome{err: own.Err}
		case path.Stat.Czxid == base.Czxid && path.Stat.Version-base.Version <= 1: // no round has been missed
			return outcome{}
		default:
			return outcome{err: own.Err}
		}
	}
}

// pathUnwritten tells whether the path is known to have been removed before anything
// was written to it, and so before a round had begun with this member.
func (m *member) pathUnwritten(e *session.Epoch) bool {
	w := m.base.Watch
	return e == m.epoch && w.HasFired() && w.Deleted() && w.SameConnection()
}
