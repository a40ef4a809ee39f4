package queue

import (
	"context"
	"errors"
	"slices"

	"github.com/zkrecipes/zkrecipes/session"
)

// write is the part of a transaction that concerns one item.
type write struct {
	ops   []session.Op
	paths []string // the paths of ops
	size  int      // of the data and the paths
}

func (w *write) create(path string, data []byte, opts ...session.CreateOption) {
	w.add(session.OpCreate(path, data, opts...), path, len(data))
}

func (w *write) set(path string, data []byte, version int32) {
	w.add(session.OpSet(path, data, version), path, len(data))
}

func (w *write) delete(path string, version int32) {
	w.add(session.OpDelete(path, version), path, 0)
}

func (w *write) check(path string, version int32) {
	w.add(session.OpCheck(path, version), path, 0)
}

func (w *write) add(op session.Op, path string, size int) {
	w.ops = append(w.ops, op)
	w.paths = append(w.paths, path)
	w.size += size + len(path)
}

func (w *write) append(more write) {
	w.ops = append(w.ops, more.ops...)
	w.paths = append(w.paths, more.paths...)
	w.size += more.size
}

func opsOf(ws []write) (ops []session.Op) {
	for _, w := range ws {
		ops = append(ops, w.ops...)
	}
	return ops
}

// txnWrites is the largest number of writes in a transaction. With so many, the
// writes take most of the time of the transaction.
const txnWrites = 100

// txnBytes is the largest size of the writes in a transaction. It leaves half of a
// request to the other parts of the request.
func (st *store) txnBytes() int { return (st.session.MaxBuffer() + 1) / 2 }

// fitting returns how many of ws fit into one transaction, at least one.
func (st *store) fitting(ws []write) int {
	n, size := 0, 0
	for n < len(ws) && n < txnWrites && (n == 0 || size+ws[n].size <= st.txnBytes()) {
		size += ws[n].size
		n++
	}
	return n
}

// apply carries out writes, for as long as the epoch lasts, and returns the error
// of each. A write that a server refuses fails alone.
func (st *store) apply(ep *session.Epoch, ws ...write) []error {
	errs := make([]error, len(ws))
	rest := make([]int, len(ws)) // the indices of the writes that are not done yet
	for i := range rest {
		rest[i] = i
	}
	for len(rest) > 0 {
		var part []write
		for _, i := range rest {
			part = append(part, ws[i])
		}
		part = part[:st.fitting(part)]
		_, err := ep.TxnWithReceipt(ep.Context(), opsOf(part)...)
		if c, k := conflictingWrite(part, err); k < 0 {
			for _, i := range rest[:len(part)] {
				errs[i] = err // nil, or the error of the whole transaction
			}
			rest = rest[len(part):]
		} else {
			if dir := st.missing(c); dir != "" {
				if err = st.ensure(ep.Context(), ep, dir); err == nil {
					continue
				}
			}
			errs[rest[k]] = err
			rest = slices.Delete(rest, k, k+1)
		}
	}
	return errs
}

// conflictingWrite returns the conflict in err and the index of the write that
// caused it. k is negative if err is nil or has another reason.
func conflictingWrite(ws []write, err error) (c conflict, k int) {
	c, ok := conflictOf(err)
	if !ok {
		return c, -1
	}
	return c, slices.IndexFunc(ws, func(w write) bool { return slices.Contains(w.paths, c.path) })
}

// missing returns the parent node whose absence caused the conflict, or "" if the
// conflict has another cause.
func (st *store) missing(c conflict) string {
	if c.op != "create" || !errors.Is(c.reason, session.ErrNoNode) {
		return ""
	}
	switch dir, _ := session.Split(c.path); dir {
	case st.items, st.claims, st.dead:
		return dir
	}
	return ""
}

// txnItems carries out the writes of items in one transaction and returns the items
// for which it was carried out, possibly none.
//
// If the transaction fails because of another client's write to an item, txnItems
// calls onConflict with that item and tries again without it and with half of the
// others, since one conflict makes more conflicts likely. Items that are not done
// are given back to the cache. If ctx ends before the outcome is known and the
// transaction was carried out, onLateCommit is called.
func (q *Queue[T]) txnItems(ctx context.Context, ep *session.Epoch, items []readItem[T], t txnHooks[T]) (done []readItem[T], results []session.Result, err error) {
	for len(items) > 0 {
		ws := make([]write, len(items))
		for i, f := range items {
			ws[i] = t.build(f)
		}
		ws = ws[:q.store.fitting(ws)]
		q.giveBack(items[len(ws):])
		items = items[:len(ws)]
		tried := items
		results, err := ep.TxnDetached(ctx, func(r []session.Result, err error) {
			if err == nil {
				t.onLateCommit(tried, r)
			}
		}, opsOf(ws)...)
		c, k := conflictingWrite(ws, err)
		switch {
		case err == nil:
			q.store.cache.narrowWindow()
			return items, results, nil
		case k >= 0 && q.store.missing(c) != "":
			err = q.store.ensure(ctx, ep, q.store.missing(c))
		case k >= 0 && !c.refused():
			t.onConflict(items[k], c)
			items = slices.Delete(slices.Clone(items), k, k+1)
			half := (len(items) + 1) / 2
			q.giveBack(items[half:])
			items, err = items[:half], nil
		}
		if err != nil {
			q.giveBack(items)
			return nil, nil, err
		}
	}
	return nil, nil, nil
}

// txnHooks are the functions that txnItems calls.
type txnHooks[T any] struct {
	build        func(readItem[T]) write
	onConflict   func(readItem[T], conflict)
	onLateCommit func([]readItem[T], []session.Result)
}
