package queue

import (
	"context"
	"errors"
	"slices"

	"github.com/zkrecipes/zkrecipes/session"
)

// write is what one item asks of a transaction.
type write struct {
	ops   []session.Op
	paths []string // of ops
	size  int      // of the data
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

// txnWrites is how many writes a transaction takes: enough for it to be the writes
// that take the time.
const txnWrites = 100

// txnBytes is how many bytes the writes of a transaction may have. It leaves half
// of a request to what goes with them.
func (st *store) txnBytes() int { return (st.session.MaxBuffer() + 1) / 2 }

// fitting tells how many of ws go into one transaction, one at least.
func (st *store) fitting(ws []write) int {
	n, size := 0, 0
	for n < len(ws) && n < txnWrites && (n == 0 || size+ws[n].size <= st.txnBytes()) {
		size += ws[n].size
		n++
	}
	return n
}

// apply carries out writes in the background of an epoch, for as long as it lasts,
// and returns the error of each. A write that a server refuses fails alone.
func (st *store) apply(ep *session.Epoch, ws ...write) []error {
	errs := make([]error, len(ws))
	rest := make([]int, len(ws)) // indices of those not done yet
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
				errs[i] = err // nil, or that of all
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

// conflictingWrite finds the write because of which a transaction has failed; k is negative
// if it has not, or for another reason.
func conflictingWrite(ws []write, err error) (c conflict, k int) {
	c, ok := conflictOf(err)
	if !ok {
		return c, -1
	}
	return c, slices.IndexFunc(ws, func(w write) bool { return slices.Contains(w.paths, c.path) })
}

// missing is the folder whose absence is the cause of a conflict, empty if that is
// something else.
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

// txnItems carries out the writes of items in one transaction, and returns for
// which of them it has, none perhaps. An item for which the transaction fails
// because of what others have done is passed to lost, and it is tried again
// without that one and with half of the others, since where there is one conflict
// there are more. What is not done is given back to the pool. If ctx ends while the
// outcome is not known, and the transaction turns out to have been carried out,
// late is called.
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

// txnHooks is what undertake is to do with items.
type txnHooks[T any] struct {
	build        func(readItem[T]) write
	onConflict   func(readItem[T], conflict)
	onLateCommit func([]readItem[T], []session.Result)
}
