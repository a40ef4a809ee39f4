package election

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/zkrecipes/zkrecipes/session"
)

// Observe yields who leads, and then every change of it; a zero Leader says that
// nobody does. A slow reader skips leaders that have gone meanwhile and always
// arrives at the present one. Observing goes on across reconnects and epochs. It
// ends with a pair whose error is not nil: the end of ctx, or a permanent error.
//
// It watches the leader's node alone, so that the coming and going of other
// candidates costs nothing.
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

// yieldChange yields l unless it was the last to be yielded.
func (o *observer) yieldChange(l Leader) {
	if o.yielded && l.ID == o.last.ID && l.Token == o.last.Token && slices.Equal(l.Data, o.last.Data) {
		return
	}
	o.yielded, o.last = true, l
	o.stopped = !o.yield(l, nil)
}

// observe yields changes while the epoch lasts.
func (o *observer) observe(ctx context.Context, ep *session.Epoch) error {
	for !o.stopped {
		l, w, err := o.look(ctx, ep)
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

// look reads who leads and watches for the next change. The watch is nil if what
// it found is out of date already.
func (o *observer) look(ctx context.Context, ep *session.Epoch) (Leader, *session.Watch, error) {
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
			return decode(n), n.Watch, n.Err
		}
	}
	w, err := o.election.contest.watchVacant(ctx, ep)
	return Leader{}, w, err
}
