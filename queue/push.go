package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
	"github.com/zkrecipes/zkrecipes/internal/recipe/batch"
	"github.com/zkrecipes/zkrecipes/internal/recipe/refusal"
	"github.com/zkrecipes/zkrecipes/internal/recipe/sequence"
	"github.com/zkrecipes/zkrecipes/session"
)

// MaxSize returns how many bytes an encoded item may have. It is the session's
// MaxPayload, which follows session.WithMaxBuffer.
func (q *Queue[T]) MaxSize() int { return q.store.session.MaxPayload() }

// Push appends v to the queue, behind all items of its priority, and returns its
// id, as used by Item, All and DeadLetters. A lost reply neither loses nor
// duplicates the item.
//
// If ctx or the session ends before the outcome is known, the error is
// session.ErrUnknown. After any other error the item was not pushed. In layouts
// other than Native the id is the name of the node. It is empty if the reply was
// lost and the name could not be looked up, because the item was taken before that or
// ctx or the session ended.
//
// Push takes one round trip: a transaction of a create and a receipt. WithMaxLen
// adds one.
func (q *Queue[T]) Push(ctx context.Context, v T, opts ...PushOption) (id string, err error) {
	ids, err := q.PushAll(ctx, []T{v}, opts...)
	if len(ids) > 0 {
		id = ids[0]
	}
	return id, err
}

// PushAll is Push for several values, which keep their order. It sends them in
// transactions of up to 100 values and half of session.Session.MaxBuffer. It
// returns the ids of the pushed values, which are all values unless there is an
// error. session.ErrUnknown concerns the transaction after the last returned id.
func (q *Queue[T]) PushAll(ctx context.Context, vs []T, opts ...PushOption) (ids []string, err error) {
	if err := q.store.usable("push", false); err != nil {
		return nil, err
	}
	o, err := q.store.spec.pushKey(opts)
	if err != nil {
		return nil, q.store.fail("push", err)
	}
	ws := make([]batch.Write, len(vs))
	names := make([]string, len(vs))
	for i, v := range vs {
		data, err := q.encode(v)
		if err != nil {
			return nil, q.store.fail("push", err)
		}
		names[i] = q.store.spec.prefix(o, session.GUID())
		create := []session.CreateOption{session.Sequential()}
		if q.store.spec.layout == Native {
			create = append(create, session.Unique())
		}
		ws[i].Create(q.store.itemPath(names[i]), data, create...)
	}
	for len(ws) > 0 {
		some, err := inEpoch(ctx, &q.store, "push", func(ep *session.Epoch) ([]session.Result, error) {
			return q.store.pushIn(ctx, ep, ws[:q.store.limits().Fitting(ws)])
		})
		if err != nil {
			return ids, err
		}
		for i, r := range some {
			ids = append(ids, q.store.pushedID(names[i], r))
		}
		ws, names = ws[len(some):], names[len(some):]
	}
	return ids, nil
}

func (q *Queue[T]) encode(v T) ([]byte, error) {
	data, err := q.codec.Encode(v)
	if err != nil {
		return nil, err
	}
	if data = q.store.spec.pack(data); len(data) > q.MaxSize() {
		return nil, fmt.Errorf("%w: item has %d bytes; the limit is %d (see session.WithMaxBuffer)", session.ErrInvalid, len(data), q.MaxSize())
	}
	return data, nil
}

// pushedID returns the id of an item whose node was created with name as prefix.
func (st *store) pushedID(name string, r session.Result) string {
	if st.spec.layout != Native { // the native prefix contains the id
		_, name = session.Split(r.Path)
	}
	return st.spec.id(name)
}

// pushIn carries out a transaction of creates. If the queue is bounded, it creates
// as many items as fit.
func (st *store) pushIn(ctx context.Context, ep *session.Epoch, ws []batch.Write) ([]session.Result, error) {
	if err := st.checkNumbers(ctx, ep); err != nil {
		return nil, err
	}
	pauses := backoff.New(time.Millisecond, 32*time.Millisecond, 1)
	for {
		part, ops := ws, []session.Op(nil)
		if st.opts.bounded {
			n, guard, err := st.room(ctx, ep)
			if err != nil {
				return nil, err
			}
			part, ops = ws[:min(n, len(ws))], []session.Op{guard}
		}
		results, err := ep.TxnDetached(ctx, nil, append(batch.Ops(part...), ops...)...)
		refused, k := batch.Refused(part, err)
		switch {
		case err == nil:
			st.noteNumbers(results[:len(part)])
			return results[:len(part)], nil
		case k >= 0 && st.missing(refused) != "":
			if err := st.ensure(ctx, ep, st.missing(refused)); err != nil {
				return nil, err
			}
		case st.opts.bounded && outdated(err, st.items):
			// Another producer has pushed since. If there are many producers, a pause helps.
			if err := pauses.Wait(ctx); err != nil {
				return nil, err
			}
		default:
			return nil, err
		}
	}
}

// noteNumbers records that a push got a number past the last one, in layouts whose
// names are unique only by the number.
func (st *store) noteNumbers(results []session.Result) {
	for _, r := range results {
		_, name := session.Split(r.Path)
		if o, ok := st.spec.parse(name); ok && o.pastEnd() && st.spec.layout != Native {
			st.pastEnd.Store(true)
		}
	}
}

// checkNumbers refuses a push that would repeat the name of an earlier item. A
// consumer that has read the earlier item might remove the new one instead.
func (st *store) checkNumbers(ctx context.Context, ep *session.Epoch) error {
	if !st.pastEnd.Load() {
		return nil
	}
	nodes, err := ep.Stats(ctx, st.items)
	switch {
	case err != nil:
		return err
	case nodes[0].Err == nil && sequence.Created(nodes[0].Stat) == sequence.Last:
		return &session.OpError{Package: "queue", Op: "create", Path: st.items, Err: session.ErrSequenceEnd}
	case nodes[0].Err != nil && !errors.Is(nodes[0].Err, session.ErrNoNode):
		return nodes[0].Err
	}
	st.pastEnd.Store(false) // the parent was created again, or its server continues to count
	return nil
}

// room returns how many items may be pushed, and an operation that makes the push
// fail if another producer that checks the bound pushes first.
func (st *store) room(ctx context.Context, ep *session.Epoch) (n int, guard session.Op, err error) {
	for {
		nodes, err := ep.Nodes(ctx, st.items)
		if err != nil {
			return 0, guard, err
		}
		parent := nodes[0]
		switch {
		case errors.Is(parent.Err, session.ErrNoNode):
			if err := st.ensure(ctx, ep, st.items); err != nil {
				return 0, guard, err
			}
			continue
		case parent.Err != nil:
			return 0, guard, parent.Err
		}
		n = st.opts.maxLen - parent.Stat.NumChildren
		if n <= 0 {
			return 0, guard, ErrFull
		}
		return n, session.OpSet(st.items, parent.Data, parent.Stat.Version), nil
	}
}

func outdated(err error, path string) bool {
	r, ok := refusal.Of(err)
	return ok && r.Path == path && (r.Reason == session.ErrBadVersion || r.Reason == session.ErrNoNode)
}
