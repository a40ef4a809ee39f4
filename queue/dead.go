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

	"github.com/zkrecipes/zkrecipes/internal/sequence"
	"github.com/zkrecipes/zkrecipes/session"
)

// DeadLetter is an item that was taken out of the queue because it could not be
// consumed: its attempts have failed, or it is corrupt.
type DeadLetter struct {
	ID       string // to requeue or drop it by; with Native that of the item
	Data     []byte // as the codec made it, or whatever it was
	Reason   string // the error
	Attempts int
	Since    time.Time // by the servers' clocks
}

// A dead letter is a node with the data of the item's node, and a child that says
// why.
const obituaryName = "error"

type obituary struct {
	Error    string `json:"error"`
	Attempts int    `json:"attempts,omitempty"`
	By       string `json:"by,omitempty"`
}

// longestReason bounds what is kept of an error.
const longestReason = 4 << 10

// inter makes a dead letter of an item, or of its whole node if that cannot be
// read.
func (q *Queue[T]) inter(w *write, f found[T], reason error) {
	data := f.data
	if len(f.rest) > 0 {
		data = q.scheme.pack(f.payload)
	}
	text := strings.ToValidUTF8(reason.Error(), "\uFFFD")
	why, _ := json.Marshal(obituary{Error: text[:min(len(text), longestReason)], Attempts: int(f.version), By: q.opts.id})
	path := q.deadPath(f.name)
	if q.scheme.layout != Native { // where names come again when somebody has removed the folder
		path += "-" + session.GUID()
	}
	w.create(path, data)
	w.create(session.Join(path, obituaryName), why)
}

// deadSuffix is what stands behind the item's name in that of its dead letter.
func (s *scheme) deadSuffix(name string) string {
	const length = 1 + 36
	if s.layout == Native || len(name) < length {
		return ""
	}
	return name[len(name)-length:]
}

// buryCorrupt makes a dead letter of an item that nobody has claimed. One that is
// too large to be moved stays where it is, and in nobody's way.
func (q *Queue[T]) buryCorrupt(ctx context.Context, ep *session.Epoch, f found[T]) error {
	burial := func(f found[T]) (w write) {
		w = q.removal(f)
		q.inter(&w, f, f.err)
		return w
	}
	if burial(f).size > q.maxWrite() {
		q.pool.keep(f.entry)
		return nil
	}
	heirs := heirs([]found[T]{f})
	q.pool.reserve(heirs...)
	defer q.pool.drop(heirs...)
	done, _, err := q.undertake(ctx, ep, []found[T]{f}, trade[T]{
		plan: burial,
		lost: q.outrun,
		late: func([]found[T], []session.Result) { q.pool.returned() },
	})
	if len(done) > 0 {
		q.pool.drop(f.entry)
		q.pool.inherit(heirs...)
	}
	return err
}

// maxWrite is how many bytes the write of one item may have, so that a request
// holds it and what goes with it.
func (st *store) maxWrite() int { return st.session.MaxBuffer() + 1 - 4<<10 }

// DeadLetters yields the dead letters, in the order that the items had in the
// queue; those with the last sequence number are in the order in which they became
// dead letters. An error ends it. It takes a round trip for the list, and one for a
// number of dead letters each.
func (q *Queue[T]) DeadLetters(ctx context.Context) iter.Seq2[DeadLetter, error] {
	return func(yield func(DeadLetter, error) bool) {
		names, err := q.deadNames(ctx)
		if err != nil {
			yield(DeadLetter{}, err)
			return
		}
		for part := range slices.Chunk(names, firstFlight) {
			letters, err := q.readDead(ctx, part)
			if err != nil {
				yield(DeadLetter{}, err)
				return
			}
			for _, l := range letters {
				if !yield(l.DeadLetter, nil) {
					return
				}
			}
		}
	}
}

// deadNames lists the nodes of the dead letters.
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
		if st.orderOfDead(name).pastEnd() {
			past[name] = true
		}
	}
	var created sequence.Creations
	if len(past) > 1 {
		_, err = inEpochs(ctx, st, "list", func(ep *session.Epoch) (none struct{}, err error) {
			return none, created.Read(ctx, ep, st.dead, past)
		})
	}
	place := func(name string) entry {
		o := st.orderOfDead(name)
		o.created, _ = created.Of(name)
		return entry{name, o}
	}
	slices.SortFunc(names, func(a, b string) int { return compare(place(a), place(b), -1) })
	return names, err
}

// orderOfDead is where a dead letter stood as an item.
func (st *store) orderOfDead(name string) order {
	o, _ := st.scheme.parse(strings.TrimSuffix(name, st.scheme.deadSuffix(name)))
	return o
}

// letter is a dead letter as it was read.
type letter struct {
	DeadLetter
	name      string
	version   int32
	explained bool // it has the node that says why
}

// readDead reads dead letters in one flight. Those that are gone are left out.
func (st *store) readDead(ctx context.Context, names []string) ([]letter, error) {
	var paths []string
	for _, name := range names {
		paths = append(paths, st.deadPath(name), session.Join(st.deadPath(name), obituaryName))
	}
	nodes, err := inEpochs(ctx, st, "read", func(ep *session.Epoch) ([]session.Node, error) { return ep.Nodes(ctx, paths...) })
	if err != nil {
		return nil, err
	}
	var letters []letter
	for i, name := range names {
		n, why := nodes[2*i], nodes[2*i+1]
		if errors.Is(n.Err, session.ErrNoNode) {
			continue
		}
		if n.Err != nil {
			return nil, n.Err
		}
		l := letter{name: name, version: n.Stat.Version, explained: why.Err == nil}
		l.DeadLetter = DeadLetter{ID: st.scheme.id(name), Data: n.Data, Since: n.Stat.Ctime}
		var o obituary
		if json.Unmarshal(why.Data, &o) == nil {
			l.Reason, l.Attempts = o.Error, o.Attempts
		}
		letters = append(letters, l)
	}
	return letters, nil
}

// Requeue puts a dead letter back into the queue, at the end of its priority and
// with its attempts uncounted. session.ErrNoNode says that there is none of this
// id. It happens once; session.ErrUnknown is as with Push.
func (q *Queue[T]) Requeue(ctx context.Context, id string) error {
	return q.exhume(ctx, "requeue", id, func(w *write, l letter) {
		o := q.orderOfDead(l.name)
		o.due = 0
		if q.scheme.layout == CuratorDelay {
			o.due = time.Now().UnixMilli()
		}
		name := q.scheme.prefix(o, q.scheme.id(l.name))
		w.create(q.itemPath(name), l.Data, session.Sequential())
	})
}

// Drop removes a dead letter for good. session.ErrNoNode says that there is none of
// this id.
func (q *Queue[T]) Drop(ctx context.Context, id string) error {
	return q.exhume(ctx, "drop", id, func(*write, letter) {})
}

// exhume removes a dead letter in a transaction that also does what more says.
func (q *Queue[T]) exhume(ctx context.Context, op, id string, more func(*write, letter)) error {
	names, err := q.deadNames(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(names, func(name string) bool { return q.scheme.id(name) == id })
	if i < 0 {
		return q.fail(op, fmt.Errorf("%w: dead letter %s", session.ErrNoNode, id))
	}
	_, err = inEpochs(ctx, &q.store, op, func(ep *session.Epoch) (none struct{}, err error) {
		for {
			letters, err := q.readDead(ctx, names[i:i+1])
			if err != nil {
				return none, err
			}
			if len(letters) == 0 {
				return none, q.fail(op, fmt.Errorf("%w: dead letter %s", session.ErrNoNode, id))
			}
			l := letters[0]
			var w write
			if l.explained {
				w.delete(session.Join(q.deadPath(l.name), obituaryName), session.AnyVersion)
			}
			w.delete(q.deadPath(l.name), l.version)
			more(&w, l)
			_, err = ep.Undertake(ctx, nil, w.ops...)
			c, k := culprit([]write{w}, err)
			switch {
			case k >= 0 && q.missing(c) != "":
				if err := q.ensure(ctx, ep, q.missing(c)); err != nil {
					return none, err
				}
			case k >= 0 && (c.reason == session.ErrNoNode || c.reason == session.ErrBadVersion):
				// Somebody else has been at it: look again.
			default:
				return none, err
			}
		}
	})
	return err
}
