package queue

import (
	"context"
	"errors"

	"github.com/zkrecipes/zkrecipes/internal/recipe/batch"
	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/session"
)

// Claim blocks until it has claimed an item. The item stays in the queue, where no
// other client can take it, until it is settled by Ack, Nack, Release or Bury, or
// until the claim is lost: with the session, or because its node was deleted. After
// a loss, a waiting consumer can claim the item immediately.
//
// If ctx ends, Claim returns an error that wraps its cause. A claim that was being
// created is deleted in the background.
//
// If there are items, Claim takes two round trips: one reads the first item and
// checks for new ones, one claims it. The claim is a transaction that creates an
// ephemeral node and sets the item's data to its present value, so that the version
// of the item's node counts the attempts.
func (q *Queue[T]) Claim(ctx context.Context) (*Item[T], error) { return first(q.claim(ctx, 1, true)) }

// TryClaim is Claim, but returns ErrEmpty where Claim would wait. Before that it
// asks a server that knows all pushes completed before the call.
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
	// The session sends proofs during the wait, so that ownership can begin with the
	// reply.
	if err := ep.CheckStopTime(q.store.path, q.store.opts.stopTime); err != nil {
		return nil, err
	}
	stopProving, err := ep.KeepProvingFor(ctx, q.store.opts.stopTime)
	if err != nil {
		return nil, err
	}
	defer stopProving()
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
		case ep.Err() != nil: // and all claims ended with the epoch
			return nil, ep.Err()
		case errors.Is(err, session.ErrUnknown) && ctx.Err() != nil:
			return nil, context.Cause(ctx) // unclaim deletes the claims if they were created
		case errors.Is(err, session.ErrUnknown): // without receipts; but the claim does not exist
		default:
			return nil, err
		}
		if len(claimed) > 0 {
			return q.begin(ctx, ep, claimed, results)
		}
	}
}

// claimOps claims an item and counts the attempt. An attempt at an item that
// another library made too large for a request with both is not counted.
func (q *Queue[T]) claimOps(f readItem[T]) (w batch.Write) {
	w.Create(q.store.claimPath(f.entry.name), []byte(q.store.label), session.Ephemeral())
	if len(f.data) <= q.MaxSize() {
		w.Set(q.store.itemPath(f.entry.name), f.data, f.version)
	} else {
		w.Check(q.store.itemPath(f.entry.name), f.version)
	}
	return w
}

// opsPerClaim is the number of operations of claimOps; the first creates the claim.
const opsPerClaim = 2

// unclaim deletes claims whose caller has returned.
func (q *Queue[T]) unclaim(ep *session.Epoch, fs []readItem[T], rs []session.Result) {
	for i, f := range fs {
		ep.DeleteEventually(q.store.claimPath(f.entry.name), rs[i*opsPerClaim].Stat.Czxid, nil)
	}
}

// begin begins the leases of claims.
func (q *Queue[T]) begin(ctx context.Context, ep *session.Epoch, fs []readItem[T], rs []session.Result) ([]*Item[T], error) {
	items := make([]*Item[T], len(fs))
	err := ep.AwaitStopTime(ctx, q.store.opts.stopTime)
	for i, f := range fs {
		var stopProving func()
		if err == nil {
			stopProving, err = ep.KeepProvingFor(ctx, q.store.opts.stopTime)
		}
		if err != nil {
			for _, item := range items[:i] {
				item.lease.Release(context.Background())
				item.leaveTaken(q.store.cache.putBack)
			}
			q.unclaim(ep, fs[i:], rs[i*opsPerClaim:])
			q.giveBack(fs[i:])
			return nil, err
		}
		counted := len(f.data) <= q.MaxSize()
		if counted {
			f.version++
			f.attempts++
		}
		l := lease.Begin(ctx, lease.Acquired{
			Package: "queue",
			Epoch:   ep, Path: q.store.claimPath(f.entry.name), Token: rs[i*opsPerClaim].Stat.Czxid, StopProving: stopProving,
			Checks: []lease.Check{{Path: q.store.itemPath(f.entry.name), Version: f.version}},
		}, lease.Behavior{Lost: ErrLost, Released: ErrSettled, StopTime: q.store.opts.stopTime})
		q.store.cache.retain(f.entry)
		item := &Item[T]{
			ID: q.store.spec.id(f.entry.name), Value: f.value, Attempt: max(1, f.attempts),
			queue: q, epoch: ep, lease: l, found: f, counted: counted,
		}
		items[i] = item
		context.AfterFunc(l.Context(), func() {
			if errors.Is(l.Err(), ErrLost) {
				<-l.Gone() // with a stop time the claim's node stays for that time
				item.settling.Lock()
				defer item.settling.Unlock()
				item.leaveTaken(q.store.cache.putBack)
			}
		})
	}
	return items, nil
}
