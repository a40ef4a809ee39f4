package election

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/zkrecipes/zkrecipes/session"
)

// Observe yields the leader, and then yields the new leader after each change. It yields a
// zero Leader while there is none. If the caller is slow, Observe skips leaders that have
// been replaced, and always reaches the present one. It continues across reconnects and
// epochs. The last pair has an error, the end of ctx or a permanent error, and a zero
// Leader, because the leader is not known any more.
//
// It watches the leader's node only, so other candidates that join or leave cost nothing.
func (e *Election) Observe(ctx context.Context) iter.Seq2[Leader, error] {
	return func(yield func(Leader, error) bool) {
		if e.argErr != nil {
			yield(Leader{}, e.argErr)
			return
		}
		o := observer{election: e, yield: yield}
		_, err := session.InEpoch(ctx, e.session, session.OpError{Package: "election", Op: "observe", Path: e.path}, func(ep *session.Epoch) (struct{}, error) {
			return struct{}{}, o.observe(ctx, ep)
		})
		if !o.stopped {
			yield(Leader{}, err)
		}
	}
}

type observer struct {
	election *Election
	yield    func(Leader, error) bool
	yielded  bool
	last     Leader
	stopped  bool
}

// yieldChange yields l unless it equals the leader that was yielded last.
func (o *observer) yieldChange(l Leader) {
	if o.yielded && l.ID == o.last.ID && l.Token == o.last.Token && slices.Equal(l.Data, o.last.Data) {
		return
	}
	o.yielded, o.last = true, l
	o.stopped = !o.yield(l, nil)
}

// observe yields changes until the epoch ends.
func (o *observer) observe(ctx context.Context, ep *session.Epoch) error {
	for !o.stopped {
		l, w, err := o.readLeader(ctx, ep)
		if err != nil {
			return err
		}
		if w == nil {
			continue
		}
		if o.yieldChange(l); o.stopped {
			w.Close()
			return nil
		}
		if err := w.Wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// readLeader reads the leader and watches for the next change. The watch is nil if the
// result is already out of date.
func (o *observer) readLeader(ctx context.Context, ep *session.Epoch) (Leader, *session.Watch, error) {
	path, err := o.election.contest.holder(ctx, ep)
	if err != nil {
		return Leader{}, nil, err
	}
	if path != "" {
		nodes, err := ep.WatchNodes(ctx, path)
		if err != nil {
			return Leader{}, nil, err
		}
		if n := nodes[0]; !errors.Is(n.Err, session.ErrNoNode) {
			return newLeader(n), n.Watch, n.Err
		}
	}
	w, err := o.election.contest.watchVacant(ctx, ep)
	return Leader{}, w, err
}
