package queue

import (
	"context"
	"errors"

	"github.com/zkrecipes/zkrecipes/internal/lease"
	"github.com/zkrecipes/zkrecipes/session"
)

// Claim waits for an item and claims it. It stays in the queue, where nobody else
// can take it, until it is settled by Ack, Nack or Bury, or until the claim ends by
// itself: with the session, or because somebody has removed it. Then it can be taken
// again, by whoever waits for it at once.
//
// When ctx ends, Claim returns its cause in an error. A claim that was being made
// at that moment is removed in the background.
//
// Two round trips, when there are items: one reads the first and looks for new
// ones, one claims. A claim is a transaction that creates an ephemeral node and
// sets the item to what it is, so that the version of the item's node counts its
// attempts.
func (q *Queue[T]) Claim(ctx context.Context) (*Item[T], error) { return first(q.claim(ctx, 1, true)) }

// TryClaim is Claim, but returns ErrEmpty where Claim would wait. Then it has asked
// a server that knows of every push that was complete before the call.
func (q *Queue[T]) TryClaim(ctx context.Context) (*Item[T], error) {
	return first(q.claim(ctx, 1, false))
}

func (q *Queue[T]) claim(ctx context.Context, n int, wait bool) ([]*Item[T], error) {
	if err := q.usable("claim", true); err != nil {
		return nil, err
	}
	return inEpochs(ctx, &q.store, "claim", func(ep *session.Epoch) ([]*Item[T], error) {
		return q.claimIn(ctx, ep, n, wait)
	})
}

func (q *Queue[T]) claimIn(ctx context.Context, ep *session.Epoch, n int, wait bool) ([]*Item[T], error) {
	// Whoever waits to own proves that the session lives, so that ownership can
	// begin with the answer.
	if err := ep.CheckStopTime(q.path, q.opts.stopTime); err != nil {
		return nil, err
	}
	release, err := ep.HoldFor(ctx, q.opts.stopTime)
	if err != nil {
		return nil, err
	}
	defer release()
	for {
		items, err := q.look(ctx, ep, n, q.txnBytes(), wait)
		if err != nil {
			return nil, err
		}
		claimed, results, err := q.undertake(ctx, ep, items, trade[T]{
			plan: q.claiming,
			lost: q.outrun,
			late: func(fs []found[T], rs []session.Result) { q.unclaim(ep, fs, rs) },
		})
		switch {
		case err == nil:
		case ep.Err() != nil: // and whatever was claimed is not claimed any more
			return nil, ep.Err()
		case errors.Is(err, session.ErrUnknown) && ctx.Err() != nil:
			return nil, context.Cause(ctx) // and unclaim sees to the rest
		case errors.Is(err, session.ErrUnknown): // without receipts; but the claim is not there
		default:
			return nil, err
		}
		if len(claimed) > 0 {
			return q.begin(ctx, ep, claimed, results)
		}
	}
}

// claiming claims an item and counts the attempt. An item that other libraries have
// made so large that there is no room for both in a request is not counted.
func (q *Queue[T]) claiming(f found[T]) (w write) {
	w.create(q.claimPath(f.name), []byte(q.label), session.Ephemeral())
	if len(f.data) <= q.MaxSize() {
		w.set(q.itemPath(f.name), f.data, f.version)
	} else {
		w.check(q.itemPath(f.name), f.version)
	}
	return w
}

// claimOps is how many operations claiming has; the first makes the claim.
const claimOps = 2

// unclaim gives up claims whose caller has left.
func (q *Queue[T]) unclaim(ep *session.Epoch, fs []found[T], rs []session.Result) {
	for i, f := range fs {
		ep.Discard(q.claimPath(f.name), rs[i*claimOps].Stat.Czxid, nil)
	}
}

// begin makes items of claims.
func (q *Queue[T]) begin(ctx context.Context, ep *session.Epoch, fs []found[T], rs []session.Result) ([]*Item[T], error) {
	items := make([]*Item[T], len(fs))
	err := ep.AwaitStopTime(ctx, q.opts.stopTime)
	for i, f := range fs {
		var hold func()
		if err == nil {
			hold, err = ep.HoldFor(ctx, q.opts.stopTime)
		}
		if err != nil {
			for _, item := range items[:i] {
				item.lease.Release(context.Background())
			}
			q.unclaim(ep, fs[i:], rs[i*claimOps:])
			q.giveBack(fs)
			return nil, err
		}
		if len(f.data) <= q.MaxSize() {
			f.version++
		}
		l := lease.Begin(ctx, lease.Claim{
			Epoch: ep, Path: q.claimPath(f.name), Token: rs[i*claimOps].Stat.Czxid, Hold: hold,
		}, lease.Terms{Lost: ErrLost, Released: ErrSettled, StopTime: q.opts.stopTime})
		q.pool.keep(f.entry)
		items[i] = &Item[T]{
			ID: q.scheme.id(f.name), Value: f.value, Attempt: max(1, int(f.version)),
			queue: q, epoch: ep, lease: l, found: f,
		}
		context.AfterFunc(l.Context(), func() {
			if errors.Is(l.Err(), ErrLost) {
				<-l.Gone() // with a stop time the claim stays a while
				q.pool.give(f.entry)
			}
		})
	}
	return items, nil
}
