package queue

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/batch"
	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/internal/recipe/refusal"
	"github.com/zkrecipes/zkrecipes/session"
)

// Item is a claimed item. The claim lasts until the item is settled or the claim is
// lost. An Item is safe for concurrent use.
type Item[T any] struct {
	ID      string // as returned by Push
	Value   T
	Attempt int // 1 for the first; claims of other libraries are not counted

	queue   *Queue[T]
	epoch   *session.Epoch
	lease   *lease.Lease
	found   readItem[T] // its version is the one after the claim
	counted bool        // the claim raised the version of the item's node

	settling  sync.Mutex // held while a transaction settles the item
	leftTaken sync.Once  // see leaveTaken
}

// Context returns a context that is done when the claim has ended. context.Cause of
// it is the error that Err returns. It carries the values of the context given to
// Claim, but not its cancellation.
func (i *Item[T]) Context() context.Context { return i.lease.Context() }

// Err returns nil while the item is claimed, ErrSettled after it was settled, and
// an error that wraps ErrLost and the reason after the claim was lost.
func (i *Item[T]) Err() error { return i.lease.Err() }

// Deadline returns the moment by which all work under the claim must have stopped:
// the ZooKeeper session certainly lives on the servers until then. changed is
// closed when a later proof has moved the deadline. After the claim has ended, the
// deadline is the moment of its end, and changed is nil.
func (i *Item[T]) Deadline() (deadline time.Time, changed <-chan struct{}) {
	return i.lease.Deadline()
}

// Guards returns operations that make a transaction fail with session.ErrNoNode or
// session.ErrBadVersion if the claim has ended. Txn is simpler. With either, the
// writes to ZooKeeper that an item causes happen once.
func (i *Item[T]) Guards() []session.Op { return i.lease.Guards() }

// Verify confirms the claim in one round trip through the leader. If the claim has
// ended, it returns the error of Err.
func (i *Item[T]) Verify(ctx context.Context) error { return i.lease.Verify(ctx) }

// Txn carries out ops in a transaction that fails with ErrLost unless the claim
// lasts. It returns the results of ops only. If the servers refuse one of ops, Txn
// returns that error and the claim continues.
//
// It takes one round trip. If ctx or the ZooKeeper session ends before the outcome
// is known, the error is session.ErrUnknown.
func (i *Item[T]) Txn(ctx context.Context, ops ...session.Op) ([]session.Result, error) {
	return i.lease.Txn(ctx, ops...)
}

// Path returns the path of the claim's node.
func (i *Item[T]) Path() string { return i.lease.Path() }

// Token returns the claim's token, which grows with every claim of the item. See
// session.Zxid.
func (i *Item[T]) Token() session.Zxid { return i.lease.Token() }

// SessionID returns the id of the ZooKeeper session that owns the claim.
func (i *Item[T]) SessionID() int64 { return i.lease.Session() }

// Ack removes the item from the queue and ends the claim.
//
// The transaction fails if the claim no longer exists: after a nil error this claim
// removed the item, after ErrLost it did not. If the server refuses the
// transaction, for example with session.ErrNoAuth, the item stays claimed and Ack
// may be called again. ctx bounds only the wait: if it ends first, the transaction
// continues in the background. If the session ends before the outcome is known, the
// error is session.ErrUnknown.
//
// Concurrent Acks of several items share a transaction.
func (i *Item[T]) Ack(ctx context.Context) error {
	var removal batch.Write
	i.queue.remove(&removal, i.found, i.found.version)
	return i.settle(ctx, "acknowledge", removal, true)
}

// Nack puts the item back at its old position in the queue, for another attempt:
// the next Claim may return it again. Errors and ctx are as with Ack.
func (i *Item[T]) Nack(ctx context.Context) error {
	return i.settle(ctx, "put back", batch.Write{}, false)
}

// Release puts the item back as Nack does, but does not count the attempt. It is
// for a consumer that stops.
func (i *Item[T]) Release(ctx context.Context) error {
	var uncount batch.Write
	if i.counted {
		// Two changes of the children cancel one attempt; see attempts.
		child := session.Join(i.queue.store.itemPath(i.found.entry.name), uncountedName)
		uncount.Create(child, nil)
		uncount.Delete(child, session.AnyVersion)
	}
	return i.settle(ctx, "put back", uncount, false)
}

// uncountedName is a child of an item's node that exists only within a transaction.
const uncountedName = "released"

// attempts returns how often an item has been claimed, from the Stat of its node.
// Each claim raises the version, and Release raises Cversion by two.
func attempts(st session.Stat) int { return int(st.Version) - int(st.Cversion)/2 }

// Bury makes the item a dead letter; see DeadLetters. Errors and ctx are as with
// Ack. If another library made the item so large that a request cannot hold its
// dead letter, the error is session.ErrInvalid and the item stays claimed.
func (i *Item[T]) Bury(ctx context.Context, reason error) error {
	var burial batch.Write
	i.queue.remove(&burial, i.found, i.found.version)
	i.queue.moveToDead(&burial, i.found, reason)
	if burial.Size() > i.queue.store.maxWrite() {
		return &session.OpError{Package: "queue", Op: "bury", Path: i.queue.store.itemPath(i.found.entry.name),
			Err: fmt.Errorf("%w: item has %d bytes, which is too many to move it", session.ErrInvalid, len(i.found.data))}
	}
	return i.settle(ctx, "bury", burial, true)
}

// leaveTaken calls the function of the cache by which the item leaves the state taken.
// It does so once: after that another call may have taken the item.
func (i *Item[T]) leaveTaken(leave func(...entry)) {
	i.leftTaken.Do(func() { leave(i.found.entry) })
}

// settle ends the claim with a transaction that deletes it and applies more. remove
// reports whether more removes the item. If the server refuses the transaction, the
// claim stays.
func (i *Item[T]) settle(ctx context.Context, op string, more batch.Write, remove bool) error {
	q := i.queue
	return i.lease.ReleaseWith(ctx, func() error {
		i.settling.Lock()
		defer i.settling.Unlock()
		var w batch.Write
		w.Delete(q.store.claimPath(i.found.entry.name), 0)
		w.Append(more)
		remaining := remainders([]readItem[T]{i.found})
		q.store.cache.hide(remaining...)
		defer q.store.cache.release(remaining...)
		err := q.store.applyBatched(i.epoch, w)
		r, refused := refusal.Of(err)
		switch {
		case err == nil && remove:
			i.leaveTaken(q.store.cache.removed)
			q.store.cache.addRemainders(remaining...)
			return nil
		case err != nil && !errors.Is(err, session.ErrUnknown) && (!refused || r.Denied()) && !epochEnded(err):
			return err // the item stays claimed
		}
		if remove && errors.Is(err, session.ErrUnknown) {
			i.leaveTaken(q.store.cache.release)
			q.store.cache.itemsPutBack() // list again: the item may be removed
		} else {
			i.leaveTaken(q.store.cache.putBack)
		}
		if refused || epochEnded(err) {
			return &session.OpError{Package: "queue", Op: op, Path: q.store.itemPath(i.found.entry.name), Err: fmt.Errorf("%w: %w", ErrLost, err)}
		}
		return err
	})
}
