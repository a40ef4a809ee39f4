package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/zkrecipes/zkrecipes/internal/recipe/batch"
	"github.com/zkrecipes/zkrecipes/internal/recipe/refusal"
	"github.com/zkrecipes/zkrecipes/internal/recipe/sequence"
	"github.com/zkrecipes/zkrecipes/session"
)

// Pop blocks until there is an item, removes it, and returns it.
//
// If ctx ends, Pop returns an error that wraps its cause. If an item was being
// removed at that moment, the error is session.ErrUnknown as well. If that item was
// removed, it is put back at its old position, in the background. It is lost only
// if the process or its session ends before that. The same error while ctx has not
// ended means that the session ended while an item was being removed.
//
// If there are items, Pop takes two round trips: one reads the first item and
// checks for new ones, one removes it. Items that another consumer has claimed are
// skipped. Corrupt items become dead letters.
func (q *Queue[T]) Pop(ctx context.Context) (T, error) { return first(q.pop(ctx, 1, true)) }

// TryPop is Pop, but returns ErrEmpty where Pop would wait. Before that it asks a
// server that knows all pushes completed before the call.
func (q *Queue[T]) TryPop(ctx context.Context) (T, error) { return first(q.pop(ctx, 1, false)) }

// PopN blocks until there is an item, removes up to n of the available items in one
// transaction, and returns them in order. It does not wait for more than one item.
// It returns no more than 100 items, and no more than fit into half of
// session.Session.MaxBuffer.
func (q *Queue[T]) PopN(ctx context.Context, n int) ([]T, error) { return q.pop(ctx, n, true) }

// TryPopN is PopN, but returns ErrEmpty where PopN would wait.
func (q *Queue[T]) TryPopN(ctx context.Context, n int) ([]T, error) { return q.pop(ctx, n, false) }

func first[T any](vs []T, err error) (v T, _ error) {
	if err == nil {
		v = vs[0]
	}
	return v, err
}

func (q *Queue[T]) pop(ctx context.Context, n int, wait bool) ([]T, error) {
	if err := q.store.usable("pop", false); err != nil {
		return nil, err
	}
	if n <= 0 {
		return nil, q.store.fail("pop", fmt.Errorf("%w: number of items %d is less than 1", session.ErrInvalid, n))
	}
	items, err := inEpoch(ctx, &q.store, "pop", func(ep *session.Epoch) ([]readItem[T], error) {
		return q.popIn(ctx, ep, n, wait)
	})
	if err != nil {
		return nil, err
	}
	vs := make([]T, len(items))
	for i, f := range items {
		vs[i] = f.value
	}
	return vs, nil
}

func (q *Queue[T]) popIn(ctx context.Context, ep *session.Epoch, n int, wait bool) ([]readItem[T], error) {
	for {
		items, err := q.readNext(ctx, ep, min(n, txnWrites), q.store.txnBytes(), wait)
		if err != nil {
			return nil, err
		}
		q.store.cache.hide(remainders(items)...)
		removed, _, err := q.txnItems(ctx, ep, items, txnHooks[T]{
			build:        q.removal,
			onConflict:   q.noteConflict,
			onLateCommit: func(fs []readItem[T], _ []session.Result) { q.putBack(ep, fs) },
		})
		q.store.cache.removed(entries(removed)...)
		q.store.cache.addRemainders(remainders(removed)...)
		q.store.cache.release(remainders(items)...)
		if err != nil || len(removed) > 0 {
			return removed, err
		}
	}
}

// inEpoch is session.InEpoch, but wraps every error except ErrEmpty and ErrFull in
// an OpError.
func inEpoch[R any](ctx context.Context, st *store, op string, f func(*session.Epoch) (R, error)) (R, error) {
	r, err := session.InEpoch(ctx, st.session, session.OpError{Package: "queue", Op: op, Path: st.path}, f)
	var oe *session.OpError
	if err != nil && err != ErrEmpty && err != ErrFull && !errors.As(err, &oe) {
		err = st.fail(op, err)
	}
	return r, err
}

// removal removes an item from the queue, if it is unchanged since it was read and
// not claimed.
func (q *Queue[T]) removal(f readItem[T]) (w batch.Write) {
	q.exclude(&w, f)
	q.remove(&w, f, f.version)
	return w
}

// exclude makes a transaction fail if the item is claimed, by creating and deleting
// a claim in it. Where every claim raises the version, an item of version 0 is not
// claimed, and the delete of that version in remove is enough.
func (q *Queue[T]) exclude(w *batch.Write, f readItem[T]) {
	if q.store.claims != "" && !(q.store.spec.counted() && f.version == 0) {
		w.Create(q.store.claimPath(f.entry.name), nil, session.Ephemeral())
		w.Delete(q.store.claimPath(f.entry.name), session.AnyVersion)
	}
}

// remove deletes an item's node, which must have the given version. If the node
// holds other items, remove creates a node with these in its place. Its name is
// another one, so that clients that have read the old node do not delete it.
func (q *Queue[T]) remove(w *batch.Write, f readItem[T], version int32) {
	w.Delete(q.store.itemPath(f.entry.name), version)
	for _, remaining := range remainders([]readItem[T]{f}) {
		w.Create(q.store.itemPath(remaining.name), q.store.spec.pack(f.rest...))
	}
}

// remainders returns the nodes that replace those of items that hold other items as
// well.
func remainders[T any](fs []readItem[T]) (es []entry) {
	for _, f := range fs {
		if len(f.rest) > 0 {
			name, o := remainderName(f.entry.name, f.entry.key)
			es = append(es, entry{name, o})
		}
	}
	return es
}

// noteConflict updates the cache after another client's write to an item.
func (q *Queue[T]) noteConflict(f readItem[T], r refusal.Refusal) {
	switch {
	case q.store.claims != "" && r.Path == q.store.claimPath(f.entry.name) && r.Reason == session.ErrNodeExists:
		q.store.cache.claimedByOther(f.entry)
	case r.Path == q.store.itemPath(f.entry.name) && r.Reason == session.ErrNoNode:
		q.store.cache.notFound(f.entry)
	case r.Path == q.store.itemPath(f.entry.name) && r.Reason == session.ErrBadVersion:
		q.store.cache.putBack(f.entry) // it was claimed or changed since it was read
	default:
		// A client has created unexpected nodes, for example below an item. Keep the
		// item out of the candidates, so that it does not block the others.
		q.store.cache.retain(f.entry)
		return
	}
	q.store.cache.widenWindow()
}

// putBack undoes a removal. Each item gets its old name and so its old position. If
// the node held other items, the new node with these stays.
//
// Past the last sequence number, an old name does not give the item's position. In
// layout Native the new name contains the old czxid as well. In other layouts the old
// name may be that of another item by now, so the items get the greatest free numbers
// before the last one.
func (q *Queue[T]) putBack(ep *session.Epoch, fs []readItem[T]) {
	ended := q.store.cache.ended()
	native := q.store.spec.layout == Native
	renumber := ended && !native && slices.ContainsFunc(fs, func(f readItem[T]) bool { return f.entry.key.pastEnd() })
	back := fs
	for number := int32(sequence.Last); len(back) > 0; {
		number -= int32(len(back))
		ws := make([]batch.Write, len(back))
		for i, f := range back {
			data, name := f.data, f.entry.name
			if len(f.rest) > 0 {
				data = q.store.spec.pack(f.payload)
			}
			switch {
			case renumber && f.entry.key.part == 0:
				name = withNumber(name, f.entry.key.seq, number+int32(i))
			case ended && native && f.entry.key.pastEnd():
				name = restoredName(name, f.entry.key, f.created)
			}
			ws[i].Create(q.store.itemPath(name), data)
		}
		var taken []readItem[T]
		for i, err := range q.store.apply(ep, ws...) {
			if renumber && back[i].entry.key.part == 0 && errors.Is(err, session.ErrNodeExists) {
				taken = append(taken, back[i])
			}
		}
		back = taken
	}
	q.store.cache.release(entries(fs)...)
	q.store.cache.itemsPutBack()
}
