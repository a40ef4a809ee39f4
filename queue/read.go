package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// readItem is an item as it was read: the first one in its node.
type readItem[T any] struct {
	entry    entry
	value    T
	payload  []byte
	rest     [][]byte // the items after it in the node
	data     []byte   // the node's data
	version  int32
	attempts int // so far
	pushed   time.Time
	created  session.Zxid // as in sortKey
	err      error        // not nil if the item is corrupt
}

// Items are read in batches of as many as the caller may use, limited so that a
// batch does not fill the memory. The size of an item is estimated from the
// previous batches.
const (
	batchItems = 128
	batchBytes = 4 << 20
	firstBatch = 16 // while their size is not known
)

// readNext reads the next items, at least one and at most n, whose total size does
// not exceed budget by much. It moves corrupt items to the dead letters. If no item
// can be taken, it waits or returns ErrEmpty.
func (q *Queue[T]) readNext(ctx context.Context, ep *session.Epoch, n, budget int, wait bool) ([]readItem[T], error) {
	for listed := false; ; {
		es, fresh, err := q.store.takeNames(ctx, ep, q.store.cache.candidates(n), wait)
		if err != nil {
			return nil, err
		}
		got, stale, err := q.read(ctx, ep, es, budget, fresh || listed)
		switch {
		case err != nil:
			return nil, err
		case stale:
			listed = true
			if err := q.store.list(ctx, q.store.parents()...); err != nil {
				return nil, err
			}
			continue
		}
		if got, err = q.removeCorrupt(ctx, ep, got); err != nil || len(got) > 0 {
			return q.pickItems(got, n), err
		}
	}
}

// pickItems picks n consecutive items at random and gives the others back. Without
// recent conflicts there are no others.
func (q *Queue[T]) pickItems(fs []readItem[T], n int) []readItem[T] {
	if len(fs) <= n {
		return fs
	}
	i := rand.IntN(len(fs) - n + 1)
	q.giveBack(fs[:i])
	q.giveBack(fs[i+n:])
	return fs[i : i+n]
}

func (q *Queue[T]) giveBack(fs []readItem[T]) { q.store.cache.putBack(entries(fs)...) }

// takeNames takes names of items from the cache, and lists the parents as needed.
// fresh reports whether the items were just listed.
func (st *store) takeNames(ctx context.Context, ep *session.Epoch, n int, wait bool) (es []entry, fresh bool, err error) {
	if claims, items := st.cache.needList(); claims || items {
		fs := st.parents()
		if !items {
			fs = fs[:1]
		}
		if err := st.list(ctx, fs...); err != nil {
			return nil, false, err
		}
		fresh = items
	}
	for lists := 0; ; lists++ {
		changed, _, putBackPossible := st.cache.state()
		if es := st.cache.take(n); len(es) > 0 {
			return es, fresh, nil
		}
		switch {
		case !wait && putBackPossible: // another call may put an item back
			select {
			case <-changed:
			case <-ctx.Done():
				return nil, false, context.Cause(ctx)
			case <-ep.Context().Done():
				return nil, false, ep.Err()
			}
			lists--
			continue
		case wait && (lists > 0 || time.Now().Before(st.cache.itemsDue())):
			es, err := st.await(ctx, ep, n)
			return es, true, err
		case lists == 1: // the server may lag behind what the caller knows
			if err := ep.Sync(ctx, st.items); err != nil {
				return nil, false, err
			}
		case lists == 2:
			return nil, false, ErrEmpty
		}
		if err := st.list(ctx, st.parents()...); err != nil {
			return nil, false, err
		}
		fresh = true
	}
}

// read reads the items of es, as many as fit into budget but at least one, and
// gives the others back. Unless the listing of the names is fresh, it also checks
// whether other clients have pushed items that may come first. If so, stale is true
// and all items are given back. They are given back after an error as well.
func (q *Queue[T]) read(ctx context.Context, ep *session.Epoch, es []entry, budget int, fresh bool) (got []readItem[T], stale bool, err error) {
	fresh = fresh || !q.store.spec.ranked()
	size, full := 0, false
	for flight := firstBatch; len(es) > 0 && !full; {
		part := es[:min(flight, len(es))]
		nodes, stale, err := q.store.readNodes(ctx, ep, part, fresh)
		if err != nil || stale {
			q.giveBack(got)
			q.store.cache.putBack(es...)
			return nil, stale, err
		}
		es, fresh = es[len(part):], true
		for i, n := range nodes {
			full = full || size > 0 && size+len(n.Data) > budget
			switch {
			case n.Err != nil:
				q.store.cache.notFound(part[i])
				q.store.cache.widenWindow()
			case full:
				q.store.cache.putBack(part[i])
			default:
				got = append(got, q.decode(part[i], n))
				size += len(n.Data)
			}
		}
		if size > 0 {
			flight = min(batchItems, max(1, batchBytes*len(got)/size))
		}
	}
	q.store.cache.putBack(es...)
	q.store.cache.noteSize(len(got), size)
	return got, false, nil
}

// readNodes reads the nodes of es. Unless their listing is fresh, it also reports
// in stale whether items were created since. If a node has an error other than
// ErrNoNode, readNodes returns that error.
func (st *store) readNodes(ctx context.Context, ep *session.Epoch, es []entry, fresh bool) (nodes []session.Node, stale bool, err error) {
	var paths []string
	if !fresh {
		paths = append(paths, st.items)
	}
	for _, e := range es {
		paths = append(paths, st.itemPath(e.name))
	}
	if nodes, err = ep.Nodes(ctx, paths...); err != nil {
		return nil, false, err
	}
	for _, n := range nodes {
		if n.Err != nil && !errors.Is(n.Err, session.ErrNoNode) {
			return nil, false, n.Err
		}
	}
	if !fresh {
		stale = nodes[0].Err == nil && st.cache.itemsChanged(nodes[0].Stat)
		nodes = nodes[1:]
	}
	return nodes, stale, nil
}

// decode makes an item of a node's data.
func (q *Queue[T]) decode(e entry, n session.Node) readItem[T] {
	f := readItem[T]{entry: e, data: n.Data, version: n.Stat.Version, attempts: attempts(n.Stat), pushed: n.Stat.Ctime, created: n.Stat.Czxid}
	if e.key.restored {
		f.created = e.key.created
	}
	payloads, err := q.store.spec.unpack(n.Data)
	switch {
	case err != nil:
		f.err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	case q.store.spec.counted() && len(n.Data) > q.MaxSize():
		f.err = fmt.Errorf("%w: item has %d bytes, which leaves no room to claim it", ErrCorrupt, len(n.Data))
	default:
		f.payload, f.rest = payloads[0], payloads[1:]
		f.value, f.err = q.decodePayload(f.payload)
	}
	return f
}

func (q *Queue[T]) decodePayload(data []byte) (v T, err error) {
	if v, err = q.codec.Decode(data); err != nil {
		err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return v, err
}

func entries[T any](fs []readItem[T]) []entry {
	es := make([]entry, len(fs))
	for i, f := range fs {
		es[i] = f.entry
	}
	return es
}

// removeCorrupt makes dead letters of the corrupt items among fs and returns the
// others. If it fails, it gives the others back and returns none.
func (q *Queue[T]) removeCorrupt(ctx context.Context, ep *session.Epoch, fs []readItem[T]) (good []readItem[T], err error) {
	for i, f := range fs {
		if f.err == nil {
			good = append(good, f)
			continue
		}
		if err := q.buryCorrupt(ctx, ep, f); err != nil {
			q.giveBack(good)
			q.giveBack(fs[i+1:])
			return nil, err
		}
	}
	return good, nil
}
