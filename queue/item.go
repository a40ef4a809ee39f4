package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/session"
)

// Item is a claimed item, until it is settled or its claim is lost. It is safe for
// concurrent use.
type Item[T any] struct {
	ID      string // as Push returned it
	Value   T
	Attempt int // 1 for the first; claims of other libraries are not counted

	queue   *Queue[T]
	epoch   *session.Epoch
	lease   *lease.Lease
	found   readItem[T] // the version is the one that the claim has made
	counted bool        // the claim has raised the version
}

// Context is done when the claim has ended, by settling it or by loss;
// context.Cause tells which, as Err does. It carries the values of the context
// that Claim was given, but not its end.
func (i *Item[T]) Context() context.Context { return i.lease.Context() }

// Err is nil while the item is claimed. After that it is ErrSettled, or ErrLost
// wrapping the reason.
func (i *Item[T]) Err() error { return i.lease.Err() }

// Deadline returns the moment by which everything that works under the claim must
// have stopped: the session certainly lives on the servers until then. changed is
// closed when a later proof has moved it. Once it has ended, the deadline is
// the moment of its end, and changed is nil.
func (i *Item[T]) Deadline() (deadline time.Time, changed <-chan struct{}) {
	return i.lease.Deadline()
}

// Guards make a transaction fail with session.ErrNoNode or session.ErrBadVersion if the
// claim has ended. Txn is simpler. With either, what an item leads to in ZooKeeper
// happens once.
func (i *Item[T]) Guards() []session.Op { return i.lease.Guards() }

// Verify has the ensemble confirm the claim, in one round trip through its leader. If
// it has ended, the error is that of Err.
func (i *Item[T]) Verify(ctx context.Context) error { return i.lease.Verify(ctx) }

// Txn carries out ops in a transaction that fails with ErrLost unless the claim lasts.
// It returns the results of ops only. If the servers refuse one of ops, the error is
// theirs and the ownership goes on.
//
// It takes one round trip. If ctx or the ZooKeeper session ends before the outcome is
// known, the error is session.ErrUnknown.
func (i *Item[T]) Txn(ctx context.Context, ops ...session.Op) ([]session.Result, error) {
	return i.lease.Txn(ctx, ops...)
}

// Path is the claim's node.
func (i *Item[T]) Path() string { return i.lease.Path() }

// Token grows from claim to claim of the item. See session.Zxid.
func (i *Item[T]) Token() session.Zxid { return i.lease.Token() }

// SessionID is the id of the ZooKeeper session that has claimed the item.
func (i *Item[T]) SessionID() int64 { return i.lease.Session() }

// Ack takes the item out of the queue, and ends the claim, in a transaction that
// fails if the claim is not there any more: a nil error says that it was this claim
// that removed the item, and ErrLost that it was not. Acks of several items at the
// same time go together.
//
// If the server refuses the transaction, for example with session.ErrNoAuth, the
// item stays claimed, and Ack may be called again. ctx bounds only the wait: should
// it end, the transaction goes on in the background.
// If the session ends before its outcome is known, the error is session.ErrUnknown.
func (i *Item[T]) Ack(ctx context.Context) error {
	var removal write
	i.queue.remove(&removal, i.found, i.found.version)
	return i.settle(ctx, "acknowledge", removal, true)
}

// Nack puts the item back into its old place in the queue, for another attempt:
// the next Claim may well get it again. A refusal and ctx are as with Ack.
func (i *Item[T]) Nack(ctx context.Context) error {
	return i.settle(ctx, "put back", write{}, false)
}

// Release is Nack without counting the attempt: for a consumer that stops.
func (i *Item[T]) Release(ctx context.Context) error {
	var uncount write
	if i.counted {
		// Two changes of the children are one attempt that does not count; see attempts.
		child := session.Join(i.queue.store.itemPath(i.found.entry.name), uncountedName)
		uncount.create(child, nil)
		uncount.delete(child, session.AnyVersion)
	}
	return i.settle(ctx, "put back", uncount, false)
}

// uncountedName is a child of an item's node that exists only within a transaction.
const uncountedName = "released"

// attempts is how often an item has been claimed, by the Stat of its node: each claim
// raises the version, and Release raises Cversion by two.
func attempts(st session.Stat) int { return int(st.Version) - int(st.Cversion)/2 }

// Bury makes the item a dead letter; see DeadLetters. A refusal and ctx are as with
// Ack. An item that another library has made so large that there is no room
// for more in a request is session.ErrInvalid and stays claimed.
func (i *Item[T]) Bury(ctx context.Context, reason error) error {
	var burial write
	i.queue.remove(&burial, i.found, i.found.version)
	i.queue.moveToDead(&burial, i.found, reason)
	if burial.size > i.queue.store.maxWrite() {
		return &session.OpError{Package: "queue", Op: "bury", Path: i.queue.store.itemPath(i.found.entry.name),
			Err: fmt.Errorf("%w: %d bytes are too many to be moved", session.ErrInvalid, len(i.found.data))}
	}
	return i.settle(ctx, "bury", burial, true)
}

// settle ends the claim with a transaction that removes it and does more, which
// may remove the item. If the server refuses the transaction, the claim stays.
func (i *Item[T]) settle(ctx context.Context, op string, more write, remove bool) error {
	q := i.queue
	return i.lease.ReleaseWith(ctx, func() error {
		var w write
		w.delete(q.store.claimPath(i.found.entry.name), 0)
		w.append(more)
		heirs := remainders([]readItem[T]{i.found})
		q.store.cache.hide(heirs...)
		defer q.store.cache.removed(heirs...)
		err := q.store.applyBatched(i.epoch, w)
		c, conflict := conflictOf(err)
		switch {
		case err == nil && remove:
			q.store.cache.removed(i.found.entry)
			q.store.cache.addRemainders(heirs...)
			return nil
		case err != nil && !errors.Is(err, session.ErrUnknown) && (!conflict || c.refused()) && !epochEnded(err):
			return err // and the item stays claimed
		}
		q.store.cache.putBack(i.found.entry)
		if conflict || epochEnded(err) {
			return &session.OpError{Package: "queue", Op: op, Path: q.store.itemPath(i.found.entry.name), Err: fmt.Errorf("%w: %w", ErrLost, err)}
		}
		return err
	})
}
