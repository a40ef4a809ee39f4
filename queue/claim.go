package queue

import (
	"context"
	"errors"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
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
	if err := q.store.usable("claim", true); err != nil {
		return nil, err
	}
	return inEpoch(ctx, &q.store, "claim", func(ep *session.Epoch) ([]*Item[T], error) {
		return q.claimIn(ctx, ep, n, wait)
	})
}

func (q *Queue[T]) claimIn(ctx context.Context, ep *session.Epoch, n int, wait bool) ([]*Item[T], error) {
	// Whoever waits to own proves that the session lives, so that ownership can
	// begin with the answer.
	if err := ep.CheckStopTime(q.store.path, q.store.opts.stopTime); err != nil {
		return nil, err
	}
	release, err := ep.KeepProvingFor(ctx, q.store.opts.stopTime)
	if err != nil {
		return nil, err
	}
	defer release()
	for {
		items, err := q.readNext(ctx, ep, n, q.store.txnBytes(), wait)
		if err != nil {
			return nil, err
		}
		claimed, results, err := q.txnItems(ctx, ep, items, txnHooks[T]{
			build:        q.claimOps,
			onConflict:   q.noteConflict,
			onLateCommit: func(fs []readItem[T], rs []session.Result) { q.unclaim(ep, fs, rs) },
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

// claimOps claims an item and counts the attempt. An item that other libraries have
// made so large that there is no room for both in a request is not counted.
func (q *Queue[T]) claimOps(f readItem[T]) (w write) {
	w.create(q.store.claimPath(f.entry.name), []byte(q.store.label), session.Ephemeral())
	if len(f.data) <= q.MaxSize() {
		w.set(q.store.itemPath(f.entry.name), f.data, f.version)
	} else {
		w.check(q.store.itemPath(f.entry.name), f.version)
	}
	return w
}

// opsPerClaim is how many operations claiming has; the first makes the claim.
const opsPerClaim = 2

// unclaim gives up claims whose caller has left.
func (q *Queue[T]) unclaim(ep *session.Epoch, fs []readItem[T], rs []session.Result) {
	for i, f := range fs {
		ep.DeleteEventually(q.store.claimPath(f.entry.name), rs[i*opsPerClaim].Stat.Czxid, nil)
	}
}

// begin makes items of claims.
func (q *Queue[T]) begin(ctx context.Context, ep *session.Epoch, fs []readItem[T], rs []session.Result) ([]*Item[T], error) {
	items := make([]*Item[T], len(fs))
	err := ep.AwaitStopTime(ctx, q.store.opts.stopTime)
	for i, f := range fs {
		var hold func()
		if err == nil {
			hold, err = ep.KeepProvingFor(ctx, q.store.opts.stopTime)
		}
		if err != nil {
			for _, item := range items[:i] {
				item.lease.Release(context.Background())
			}
			q.unclaim(ep, fs[i:], rs[i*opsPerClaim:])
			q.giveBack(fs)
			return nil, err
		}
		counted := len(f.data) <= q.MaxSize()
		if counted {
			f.version++
			f.attempts++
		}
		l := lease.Begin(ctx, lease.Acquired{
			Package: "queue",
			Epoch:   ep, Path: q.store.claimPath(f.entry.name), Token: rs[i*opsPerClaim].Stat.Czxid, StopProving: hold,
			Checks: []lease.Check{{Path: q.store.itemPath(f.entry.name), Version: f.version}},
		}, lease.Behavior{Lost: ErrLost, Released: ErrSettled, StopTime: q.store.opts.stopTime})
		q.store.cache.retain(f.entry)
		items[i] = &Item[T]{
			ID: q.store.spec.id(f.entry.name), Value: f.value, Attempt: max(1, f.attempts),
			queue: q, epoch: ep, lease: l, found: f, counted: counted,
		}
		context.AfterFunc(l.Context(), func() {
			if errors.Is(l.Err(), ErrLost) {
				<-l.Gone() // with a stop time the claim stays a while
				q.store.cache.putBack(f.entry)
			}
		})
	}
	return items, nil
}
