package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// readItem is an item as it was read: the first of those that its node holds.
type readItem[T any] struct {
	entry    entry
	value    T
	payload  []byte
	rest     [][]byte // the items behind it
	data     []byte   // of the node
	version  int32
	attempts int // so far
	pushed   time.Time
	err      error // the item is corrupt
}

// Items are read in flights: of as many as the caller could use, but not so many
// that they would fill the memory, which is told by those that came before.
const (
	batchItems = 128
	batchBytes = 4 << 20
	firstBatch = 16 // while nothing is known of their size
)

// readNext reads the next items, one at least and n at most, which are together not
// much longer than budget. Corrupt ones are buried on the way. When there is
// nothing to take, it waits, or returns ErrEmpty.
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

// pickItems picks n items that follow each other, and gives the others back. When
// nobody else was in the way lately, there are no others.
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

// takeNames takes names of items from the pool, which it fills as needed. fresh says that
// it has just done so.
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
		changed, _, flying := st.cache.state()
		if es := st.cache.take(n); len(es) > 0 {
			return es, fresh, nil
		}
		switch {
		case !wait && flying: // it is not said yet that there is nothing
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
		case lists == 1: // by a server that may not have heard yet of what the caller has
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

// read reads the items of es, as many as fit into budget, but one at least; the
// others are given back. Unless the list of them is fresh, it looks whether others
// have pushed since what might come first; then stale is true, and all are given
// back, as they are when read fails.
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

// readNodes reads the nodes of es, and with them, unless their list is fresh, whether
// there are others that have been pushed since. An error of a node that is not
// ErrNoNode is the error of all.
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

// decode makes an item of a node.
func (q *Queue[T]) decode(e entry, n session.Node) readItem[T] {
	f := readItem[T]{entry: e, data: n.Data, version: n.Stat.Version, attempts: attempts(n.Stat), pushed: n.Stat.Ctime}
	payloads, err := q.store.spec.unpack(n.Data)
	switch {
	case err != nil:
		f.err = fmt.Errorf("%w: %w", ErrCorrupt, err)
	case q.store.spec.counted() && len(n.Data) > q.MaxSize():
		f.err = fmt.Errorf("%w: %d bytes leave no room to claim it", ErrCorrupt, len(n.Data))
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

// removeCorrupt buries the corrupt items among fs and returns the others. When it fails,
// they are given back, and none is returned.
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
