package queue

import (
	"context"
	"slices"

	"github.com/zkrecipes/zkrecipes/internal/recipe/batch"
	"github.com/zkrecipes/zkrecipes/internal/recipe/refusal"
	"github.com/zkrecipes/zkrecipes/session"
)

// txnWrites is the largest number of writes in a transaction. With so many, the
// writes take most of the time of the transaction.
const txnWrites = 100

// txnBytes is the largest size of the writes in a transaction.
func (st *store) txnBytes() int { return batch.HalfBuffer(st.session) }

func (st *store) limits() batch.Limits { return batch.Limits{Writes: txnWrites, Bytes: st.txnBytes()} }

// apply carries out writes, for as long as the epoch lasts, and returns the error
// of each. A write that a server refuses fails alone.
func (st *store) apply(ep *session.Epoch, ws ...batch.Write) []error {
	txn := func(ops []session.Op) error {
		_, err := ep.TxnWithReceipt(ep.Context(), ops...)
		return err
	}
	return batch.Apply(ws, st.limits(), txn, func(r refusal.Refusal) (bool, error) {
		dir := st.missing(r)
		if dir == "" {
			return false, nil
		}
		return true, st.ensure(ep.Context(), ep, dir)
	})
}

// missing returns the parent node whose absence caused the refusal, or "" if the
// refusal has another cause.
func (st *store) missing(r refusal.Refusal) string {
	if r.Op != "create" || r.Reason != session.ErrNoNode {
		return ""
	}
	switch dir, _ := session.Split(r.Path); dir {
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
		ws := make([]batch.Write, len(items))
		for i, f := range items {
			ws[i] = t.build(f)
		}
		ws = ws[:q.store.limits().Fitting(ws)]
		q.giveBack(items[len(ws):])
		items = items[:len(ws)]
		tried := items
		results, err := ep.TxnDetached(ctx, func(r []session.Result, err error) {
			if err == nil {
				t.onLateCommit(tried, r)
			}
		}, batch.Ops(ws...)...)
		refused, k := batch.Refused(ws, err)
		switch {
		case err == nil:
			q.store.cache.narrowWindow()
			return items, results, nil
		case k >= 0 && q.store.missing(refused) != "":
			err = q.store.ensure(ctx, ep, q.store.missing(refused))
		case k >= 0 && !refused.Denied():
			t.onConflict(items[k], refused)
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
	build        func(readItem[T]) batch.Write
	onConflict   func(readItem[T], refusal.Refusal)
	onLateCommit func([]readItem[T], []session.Result)
}
