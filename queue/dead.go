package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/batch"
	"github.com/zkrecipes/zkrecipes/internal/recipe/sequence"
	"github.com/zkrecipes/zkrecipes/session"
)

// DeadLetter is an item that was taken out of the queue because it cannot be
// consumed: its attempts have failed, or it is corrupt.
type DeadLetter struct {
	ID       string // for Requeue and Drop; in layout Native the id of the item
	Data     []byte // as encoded by the codec; of a corrupt item the data that was found
	Reason   string // the error of the last attempt, that given to Bury, or why the item is corrupt; at most 4 KiB
	Attempts int
	Since    time.Time // by the servers' clock
}

// A dead letter is a node with the data of the item's node, and a child with the
// reason.
const deadReasonName = "error"

type deadReason struct {
	Error    string `json:"error"`
	Attempts int    `json:"attempts,omitempty"`
	By       string `json:"by,omitempty"`
}

// maxReason is the largest size of a stored reason.
const maxReason = 4 << 10

// moveToDead makes a dead letter of an item, or of its whole node if the node
// cannot be decoded.
func (q *Queue[T]) moveToDead(w *batch.Write, f readItem[T], reason error) {
	data := f.data
	if len(f.rest) > 0 {
		data = q.store.spec.pack(f.payload)
	}
	text := strings.ToValidUTF8(reason.Error(), "\uFFFD")
	why, _ := json.Marshal(deadReason{Error: text[:min(len(text), maxReason)], Attempts: f.attempts, By: q.store.opts.id})
	path := q.store.deadPath(f.entry.name)
	if q.store.spec.layout != Native { // names repeat if the parent is deleted and created again
		path += "-" + session.GUID()
	}
	w.Create(path, data)
	w.Create(session.Join(path, deadReasonName), why)
}

// deadSuffix returns the part of a dead letter's name that follows the item's name.
func (s *layoutSpec) deadSuffix(name string) string {
	const length = 1 + 36
	if s.layout == Native || len(name) < length {
		return ""
	}
	return name[len(name)-length:]
}

// buryCorrupt makes a dead letter of an item that is not claimed. An item that is
// too large to be moved stays in the queue and is skipped.
func (q *Queue[T]) buryCorrupt(ctx context.Context, ep *session.Epoch, f readItem[T]) error {
	burial := func(f readItem[T]) (w batch.Write) {
		w = q.removal(f)
		q.moveToDead(&w, f, f.err)
		return w
	}
	if w := burial(f); w.Size() > q.store.maxWrite() {
		q.store.cache.retain(f.entry)
		return nil
	}
	remaining := remainders([]readItem[T]{f})
	q.store.cache.hide(remaining...)
	defer q.store.cache.release(remaining...)
	done, _, err := q.txnItems(ctx, ep, []readItem[T]{f}, txnHooks[T]{
		build:        burial,
		onConflict:   q.noteConflict,
		onLateCommit: func([]readItem[T], []session.Result) { q.store.cache.itemsPutBack() },
	})
	if len(done) > 0 {
		q.store.cache.removed(f.entry)
		q.store.cache.addRemainders(remaining...)
	}
	return err
}

// maxWrite returns the largest size of the write of one item. It leaves room for
// the other parts of the request.
func (st *store) maxWrite() int { return st.session.MaxBuffer() + 1 - 4<<10 }

// DeadLetters yields the dead letters, in the order of their items in the queue.
// Those with the last sequence number have the order in which they became dead
// letters. An error ends the sequence. It takes one round trip for the listing, and
// one for each batch of dead letters.
func (q *Queue[T]) DeadLetters(ctx context.Context) iter.Seq2[DeadLetter, error] {
	return func(yield func(DeadLetter, error) bool) {
		names, err := q.store.deadNames(ctx)
		if err != nil {
			yield(DeadLetter{}, err)
			return
		}
		for part := range slices.Chunk(names, firstBatch) {
			letters, err := q.store.readDead(ctx, part)
			if err != nil {
				yield(DeadLetter{}, err)
				return
			}
			for _, l := range letters {
				if !yield(l.letter, nil) {
					return
				}
			}
		}
	}
}

// deadNames lists the nodes of the dead letters, in order.
func (st *store) deadNames(ctx context.Context) ([]string, error) {
	if err := st.usable("list dead letters of", false); err != nil {
		return nil, err
	}
	names, _, err := st.session.Children(ctx, st.dead)
	if errors.Is(err, session.ErrNoNode) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	past := make(map[string]bool)
	for _, name := range names {
		if st.deadKey(name).pastEnd() {
			past[name] = true
		}
	}
	var created sequence.Creations
	if len(past) > 1 {
		_, err = inEpoch(ctx, st, "list", func(ep *session.Epoch) (none struct{}, err error) {
			return none, created.Read(ctx, ep, st.dead, past)
		})
	}
	entryOf := func(name string) entry {
		o := st.deadKey(name)
		o.created, _ = created.Of(name)
		return entry{name, o}
	}
	slices.SortFunc(names, func(a, b string) int { return compare(entryOf(a), entryOf(b), -1) })
	return names, err
}

// deadKey returns the sort key that a dead letter had as an item.
func (st *store) deadKey(name string) sortKey {
	o, _ := st.spec.parse(strings.TrimSuffix(name, st.spec.deadSuffix(name)))
	return o
}

// deadNode is the node of a dead letter, as it was read.
type deadNode struct {
	letter    DeadLetter
	name      string
	version   int32
	explained bool // it has the child with the reason
}

// readDead reads dead letters in one round trip. Those that do not exist any more
// are left out.
func (st *store) readDead(ctx context.Context, names []string) ([]deadNode, error) {
	var paths []string
	for _, name := range names {
		paths = append(paths, st.deadPath(name), session.Join(st.deadPath(name), deadReasonName))
	}
	nodes, err := inEpoch(ctx, st, "read", func(ep *session.Epoch) ([]session.Node, error) { return ep.Nodes(ctx, paths...) })
	if err != nil {
		return nil, err
	}
	var letters []deadNode
	for i, name := range names {
		n, why := nodes[2*i], nodes[2*i+1]
		if errors.Is(n.Err, session.ErrNoNode) {
			continue
		}
		if n.Err != nil {
			return nil, n.Err
		}
		l := deadNode{name: name, version: n.Stat.Version, explained: why.Err == nil}
		l.letter = DeadLetter{ID: st.spec.id(name), Data: n.Data, Since: n.Stat.Ctime}
		var o deadReason
		if json.Unmarshal(why.Data, &o) == nil {
			l.letter.Reason, l.letter.Attempts = o.Error, o.Attempts
		}
		letters = append(letters, l)
	}
	return letters, nil
}

// Requeue puts a dead letter back into the queue, behind all items of its priority,
// and counts its attempts from zero. If there is no dead letter of this id, the
// error is session.ErrNoNode. Requeue happens once; session.ErrUnknown is as with
// Push.
func (q *Queue[T]) Requeue(ctx context.Context, id string) error {
	return q.removeDead(ctx, "requeue", id, func(w *batch.Write, l deadNode) {
		o := requeuedKey(q.store.deadKey(l.name))
		if q.store.spec.layout == CuratorDelay {
			o.due = time.Now().UnixMilli()
		}
		name := q.store.spec.prefix(o, q.store.spec.id(l.name))
		w.Create(q.store.itemPath(name), l.letter.Data, session.Sequential())
	})
}

// Drop deletes a dead letter permanently. If there is no dead letter of this id,
// the error is session.ErrNoNode.
func (q *Queue[T]) Drop(ctx context.Context, id string) error {
	return q.removeDead(ctx, "drop", id, func(*batch.Write, deadNode) {})
}

// removeDead deletes a dead letter in a transaction that also contains the
// operations that more adds.
func (q *Queue[T]) removeDead(ctx context.Context, op, id string, more func(*batch.Write, deadNode)) error {
	names, err := q.store.deadNames(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(names, func(name string) bool { return q.store.spec.id(name) == id })
	if i < 0 {
		return q.store.fail(op, fmt.Errorf("%w: dead letter %s", session.ErrNoNode, id))
	}
	_, err = inEpoch(ctx, &q.store, op, func(ep *session.Epoch) (none struct{}, err error) {
		for {
			letters, err := q.store.readDead(ctx, names[i:i+1])
			if err != nil {
				return none, err
			}
			if len(letters) == 0 {
				return none, q.store.fail(op, fmt.Errorf("%w: dead letter %s", session.ErrNoNode, id))
			}
			l := letters[0]
			var w batch.Write
			if l.explained {
				w.Delete(session.Join(q.store.deadPath(l.name), deadReasonName), session.AnyVersion)
			}
			w.Delete(q.store.deadPath(l.name), l.version)
			more(&w, l)
			_, err = ep.TxnDetached(ctx, nil, batch.Ops(w)...)
			refused, k := batch.Refused([]batch.Write{w}, err)
			switch {
			case k >= 0 && q.store.missing(refused) != "":
				if err := q.store.ensure(ctx, ep, q.store.missing(refused)); err != nil {
					return none, err
				}
			case k >= 0 && (refused.Reason == session.ErrNoNode || refused.Reason == session.ErrBadVersion):
				// Another client has changed it: read it again.
			default:
				return none, err
			}
		}
	})
	return err
}
