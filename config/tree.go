package config

import (
	"context"
	"iter"
	"sync/atomic"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/view"
	"github.com/zkrecipes/zkrecipes/session"
)

// Tree is a live, decoded view of all nodes below one, shown as one map. A node is
// a value; one without data that has children, or whose empty data is no value, is a
// directory and nothing else. It is safe for concurrent use.
type Tree[T any] struct {
	session *session.Session
	path    string
	codec   codec.Codec[T]
	view    *view.View
	done    chan struct{} // closed when nothing of the tree is left
	state   atomic.Pointer[treeState[T]]
	leaves  map[string]leaf[T] // what is known of each key: of run
}

// treeState is what a tree shows, until changed is closed.
type treeState[T any] struct {
	View[T]
	end     error // of the tree
	changed chan struct{}
}

// leaf is what is known of one key.
type leaf[T any] struct {
	good Snapshot[T] // the last good one; its Zxid is 0 if there has been none
	seen view.Node   // as it was last seen, good or bad
	err  error       // on that
}

// OpenTree begins to follow all values below path and waits until it has read them,
// or for the end of ctx, which bounds only this call. Keys whose data is no value are
// in View.Errors. That there is no such node is in order: the tree is empty then.
// Close must be called in the end.
//
// It takes a round trip for each level of the tree, and one for the data of all nodes.
// Then it reads what has changed, what has been changed together together.
func OpenTree[T any](ctx context.Context, s *session.Session, path string, c codec.Codec[T], opts ...Option) (*Tree[T], error) {
	o := newOptions(opts)
	n := node[T]{s, path, c}
	if err := n.check(args.AtLeast(1, "the length of the history", o.history)); err != nil {
		return nil, err
	}
	vw, err := view.Open(ctx, s, path, view.Options{Package: "config", Closed: ErrClosed, Stale: ErrStale, Depth: view.Unlimited})
	if err != nil {
		return nil, err
	}
	t := &Tree[T]{session: s, path: path, codec: c, view: vw, done: make(chan struct{})}
	snap := vw.Snapshot()
	t.state.Store(&treeState[T]{View: t.decode(snap), changed: make(chan struct{})})
	go t.run(snap)
	return t, nil
}

// run takes over what the view shows, to its end.
func (t *Tree[T]) run(last *view.Snapshot) {
	defer close(t.done)
	for snap, err := range t.view.Watch(context.Background()) {
		now := t.state.Load()
		next := &treeState[T]{View: now.View, end: err, changed: make(chan struct{})}
		if err == nil {
			if snap == last {
				continue
			}
			next.View, last = t.decode(snap), snap
		}
		t.state.Store(next)
		close(now.changed)
	}
}

// decode makes values of nodes. Those that have not been written since are taken
// over.
func (t *Tree[T]) decode(snap *view.Snapshot) View[T] {
	directories := make(map[string]bool)
	for i := range snap.Nodes {
		directories[parentOf(snap.Nodes[i].Path)] = true
	}
	v := View[T]{Errors: make(map[string]error)}
	leaves := make(map[string]leaf[T], len(snap.Nodes))
	for i := range snap.Nodes {
		n := &snap.Nodes[i]
		l, ok := t.leaf(n, directories[n.Path])
		switch {
		case n.Err != nil:
			v.Errors[n.Path] = n.Err
		case ok && l.err != nil:
			v.Errors[n.Path] = l.err
		}
		if ok {
			leaves[n.Path] = l
			if l.good.Zxid != 0 {
				v.Entries = append(v.Entries, Entry[T]{n.Path, l.good})
			}
		}
	}
	t.leaves = leaves
	return v
}

// leaf is what is known of a node; not ok if it is not a value.
func (t *Tree[T]) leaf(n *view.Node, directory bool) (l leaf[T], ok bool) {
	l, known := t.leaves[n.Path]
	switch {
	case n.Stat.Mzxid == 0: // it could never be read
		return l, false
	case known && l.seen.Same(n) && !(directory && len(n.Data) == 0):
		return l, true
	case len(n.Data) == 0 && directory:
		return l, false
	}
	good, err := t.node(n.Path).decode(n.Data, n.Stat)
	if err != nil && len(n.Data) == 0 && l.good.Zxid == 0 {
		return l, false
	}
	if l.seen, l.err = *n, err; err == nil {
		l.good = good
	}
	return l, true
}

// parentOf is the path of the node above, relative to the tree.
func parentOf(path string) string {
	parent, _ := session.Split("/" + path)
	return parent[1:]
}

func (t *Tree[T]) node(key string) node[T] {
	return node[T]{t.session, session.Join(t.path, key), t.codec}
}

// Load returns the latest view. It is one atomic load, for the path of every request.
func (t *Tree[T]) Load() View[T] { return t.state.Load().View }

// Err is nil if Load is what is stored, as far as a server has told, and else the
// reason why it may not be: the first of View.Errors; ErrStale while there is no
// connection, or while the tree changes faster than it can be read; ErrClosed, or
// session.ErrClosed.
func (t *Tree[T]) Err() error {
	st := t.state.Load()
	if st.end != nil {
		return st.end
	}
	return joinStale(st.err(), t.view.Err())
}

// Changed returns a channel that is closed when there is a new view, for select
// loops: take it before Load, and no change is missed. After the end of the tree it
// is never closed.
func (t *Tree[T]) Changed() <-chan struct{} { return t.state.Load().changed }

// Watch yields the present view and then every new one; View.Diff tells what is
// different. A slow reader skips views that have been replaced meanwhile, delays
// nobody, and always arrives at the latest. The loop ends after a pair whose error is
// not nil: the end of ctx, ErrClosed, or session.ErrClosed.
func (t *Tree[T]) Watch(ctx context.Context) iter.Seq2[View[T], error] {
	return func(yield func(View[T], error) bool) {
		var shown *treeState[T]
		for {
			st := t.state.Load()
			switch {
			case ctx.Err() != nil:
				yield(st.View, &session.OpError{Package: "config", Op: "watch", Path: t.path, Err: context.Cause(ctx)})
				return
			case st.end != nil:
				yield(st.View, st.end)
				return
			case st != shown:
				if shown = st; !yield(st.View, nil) {
					return
				}
				continue
			}
			select {
			case <-st.changed:
			case <-ctx.Done():
			}
		}
	}
}

// Put is the function Put for the value of a key. Load shows it as soon as a server
// has told of it.
func (t *Tree[T]) Put(ctx context.Context, key string, value T, version int32) (Snapshot[T], error) {
	w, err := t.node(key).put(ctx, value, version)
	return w.Snapshot, err
}

// Update is the function Update for the value of a key. Load shows it as soon as a
// server has told of it.
func (t *Tree[T]) Update(ctx context.Context, key string, fn func(T) (T, error)) (Snapshot[T], error) {
	w, err := t.node(key).update(ctx, func() T { var zero T; return zero }, fn)
	return w.Snapshot, err
}

// Delete deletes the node of a key if its version is as given, or whatever it is if
// version is session.AnyVersion. A nil error says that this call deleted it. Replies
// that are lost are looked up, as with Put.
func (t *Tree[T]) Delete(ctx context.Context, key string, version int32) error {
	c := t.node(key)
	_, _, err := c.commit(ctx, "delete", session.OpDelete(c.path, version))
	return err
}

// Close ends the view of the tree. Load goes on showing the last. The error is always
// nil.
func (t *Tree[T]) Close() error {
	t.view.Close()
	<-t.done
	return nil
}
