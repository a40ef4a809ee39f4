package queue

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/sequence"
	"github.com/zkrecipes/zkrecipes/session"
)

// Entry is an item as yielded by All.
type Entry[T any] struct {
	ID        string // as returned by Push
	Value     T
	Priority  int
	NotBefore time.Time // as set by WithNotBefore; otherwise zero, or in layout CuratorDelay the time of the push
	Pushed    time.Time // by the servers' clock
	Attempts  int       // how often it has been claimed
	Claimed   bool
	Claimant  string // the label of the claim; see WithID
}

// Peek returns the next item without taking it, or ErrEmpty if there is none. It
// asks a server that knows all pushes completed before the call. Corrupt items are
// skipped. It costs the same as All up to that item.
func (q *Queue[T]) Peek(ctx context.Context) (T, error) {
	var none T
	if err := q.store.usable("peek", false); err != nil {
		return none, err
	}
	// Other calls of this process could not take a name while Peek has it, so Peek does
	// not use the cache.
	if err := q.store.session.Sync(ctx, q.store.items); err != nil {
		return none, err
	}
	for {
		es, err := q.store.listNames(ctx)
		if err != nil {
			return none, err
		}
		left := len(es) // how many were not read
		for e, err := range q.yieldListed(ctx, es) {
			left--
			switch {
			case errors.Is(err, ErrCorrupt):
			case err != nil:
				return none, err
			case !e.Claimed && !e.NotBefore.After(time.Now()):
				return e.Value, nil
			}
		}
		if left == 0 {
			return none, ErrEmpty
		}
		// Some items were removed after the listing, and others may have been pushed before that.
	}
}

// All yields the items in the order of the queue, including items that are claimed
// or not yet due. Items that are taken during the loop may be left out. An error
// that wraps ErrCorrupt concerns one item, and the loop continues. Any other error
// ends it.
//
// It takes a listing of all items, and one round trip for each batch of items.
func (q *Queue[T]) All(ctx context.Context) iter.Seq2[Entry[T], error] {
	return func(yield func(Entry[T], error) bool) {
		es, err := q.store.listNames(ctx)
		if err != nil {
			yield(Entry[T]{}, err)
			return
		}
		q.yieldListed(ctx, es)(yield)
	}
}

// yieldListed yields the items of es that still exist.
func (q *Queue[T]) yieldListed(ctx context.Context, es []entry) iter.Seq2[Entry[T], error] {
	return func(yield func(Entry[T], error) bool) {
		for part := range slices.Chunk(es, firstBatch) {
			entries, err := inEpoch(ctx, &q.store, "read", func(ep *session.Epoch) ([]listedItem[T], error) {
				return q.readListed(ctx, ep, part)
			})
			if err != nil {
				yield(Entry[T]{}, err)
				return
			}
			for _, e := range entries {
				if !yield(e.entry, e.err) {
					return
				}
			}
		}
	}
}

// listNames returns the items in order.
func (st *store) listNames(ctx context.Context) ([]entry, error) {
	if err := st.usable("list", false); err != nil {
		return nil, err
	}
	names, stat, err := st.session.Children(ctx, st.items)
	if err != nil {
		if errors.Is(err, session.ErrNoNode) {
			err = nil
		}
		return nil, err
	}
	past, err := st.readCreated(ctx, names, stat)
	if err != nil {
		return nil, err
	}
	var es []entry
	for _, name := range names {
		if o, ok := st.cache.keyOf(name, past); ok {
			es = append(es, entry{name, o})
		}
	}
	base := sequence.Created(stat)
	slices.SortFunc(es, func(a, b entry) int { return compare(a, b, base) })
	return es, nil
}

// listedItem is an Entry and its error.
type listedItem[T any] struct {
	entry Entry[T]
	err   error
}

// readListed reads items and their claims in one round trip.
func (q *Queue[T]) readListed(ctx context.Context, ep *session.Epoch, es []entry) (all []listedItem[T], err error) {
	var paths []string
	for _, e := range es {
		paths = append(paths, q.store.itemPath(e.name))
	}
	if q.store.claims != "" {
		for _, e := range es {
			paths = append(paths, q.store.claimPath(e.name))
		}
	}
	nodes, err := ep.Nodes(ctx, paths...)
	if err != nil {
		return nil, err
	}
	for i, e := range es {
		n := nodes[i]
		if n.Err != nil {
			if errors.Is(n.Err, session.ErrNoNode) {
				continue
			}
			return nil, n.Err
		}
		f := q.decode(e, n)
		entry := Entry[T]{ID: q.store.spec.id(e.name), Value: f.value, Pushed: f.pushed}
		if q.store.spec.prioritized {
			entry.Priority = int(e.key.rank)
		}
		if e.key.due > maxRequeues {
			entry.NotBefore = time.UnixMilli(e.key.due)
		}
		if q.store.claims != "" {
			entry.Attempts = f.attempts
			if c := nodes[len(es)+i]; c.Err == nil {
				entry.Claimed, entry.Claimant = true, string(c.Data)
			}
		}
		all = append(all, listedItem[T]{entry, f.err})
		for _, payload := range f.rest {
			entry.Value, err = q.decodePayload(payload)
			all = append(all, listedItem[T]{entry, err})
		}
	}
	return all, nil
}
