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

// Tree is a live, decoded view of all nodes below a path, shown as one map. Each node
// is a value, except directories: a node without data has no entry if it has children or
// if the codec cannot decode empty data. Tree is safe for concurrent use.
type Tree[T any] struct {
	session *session.Session
	path    string
	codec   codec.Codec[T]
	view    *view.View
	done    chan struct{} // closed when run has returned
	state   atomic.Pointer[treeState[T]]
	leaves  map[string]leaf[T] // by key; only run uses it
}

// treeState is what a Tree shows until changed is closed.
type treeState[T any] struct {
	TreeSnapshot[T]
	end     error // set when the Tree has ended
	changed chan struct{}
}

// leaf is what is known about one key.
type leaf[T any] struct {
	good Snapshot[T] // the last good version; its Zxid is 0 if there has been none
	seen view.Node   // as it was last seen, valid or not
	err  error       // of seen
}

// OpenTree starts to follow all values below path and waits until it has read them or
// ctx is done. ctx bounds only this call. The caller must call Close.
//
// Keys whose data is not a value are in TreeSnapshot.Errors. If the node at path does not
// exist, the tree is empty.
//
// OpenTree takes a round trip for each level of the tree, and one for the data of all
// nodes. After that only changes are read; changes made together are read together.
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
	t.state.Store(&treeState[T]{TreeSnapshot: t.decode(snap), changed: make(chan struct{})})
	go t.run(snap)
	return t, nil
}

// run shows what the view shows, until the view ends.
func (t *Tree[T]) run(last *view.Snapshot) {
	defer close(t.done)
	for snap, err := range t.view.Watch(context.Background()) {
		now := t.state.Load()
		next := &treeState[T]{TreeSnapshot: now.TreeSnapshot, end: err, changed: make(chan struct{})}
		if err == nil {
			if snap == last {
				continue
			}
			next.TreeSnapshot, last = t.decode(snap), snap
		}
		t.state.Store(next)
		close(now.changed)
	}
}

// decode decodes the nodes of a snapshot. Nodes that have not been written since the
// last snapshot are not decoded again.
func (t *Tree[T]) decode(snap *view.Snapshot) TreeSnapshot[T] {
	directories := make(map[string]bool)
	for i := range snap.Nodes {
		directories[parentOf(snap.Nodes[i].Path)] = true
	}
	v := TreeSnapshot[T]{Errors: make(map[string]error)}
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

// leaf returns what is known about a node. ok is false if the node is not a value.
func (t *Tree[T]) leaf(n *view.Node, directory bool) (l leaf[T], ok bool) {
	l, known := t.leaves[n.Path]
	switch {
	case n.Stat.Mzxid == 0: // it has never been read
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

// parentOf returns the path of the parent, relative to the tree.
func parentOf(path string) string {
	parent, _ := session.Split("/" + path)
	return parent[1:]
}

func (t *Tree[T]) node(key string) node[T] {
	return node[T]{t.session, session.Join(t.path, key), t.codec}
}

// Load returns the latest snapshot. It is one atomic load, so it may be called for every
// request.
func (t *Tree[T]) Load() TreeSnapshot[T] { return t.state.Load().TreeSnapshot }

// Err returns nil if Load returns what is stored, as far as the server has reported,
// and otherwise the reason why it may not: the first of TreeSnapshot.Errors; ErrStale while
// there is no connection, or while the tree changes faster than it can be read;
// ErrClosed; or session.ErrClosed.
func (t *Tree[T]) Err() error {
	st := t.state.Load()
	if st.end != nil {
		return st.end
	}
	return joinStale(st.err(), t.view.Err())
}

// Changed returns a channel that is closed when there is a new snapshot, for select loops.
// Call Changed before Load, so that no change is missed. After the end of the Tree the
// channel is never closed.
func (t *Tree[T]) Changed() <-chan struct{} { return t.state.Load().changed }

// Watch yields the current snapshot and then every new one; TreeSnapshot.Diff returns
// the differences. A slow reader skips snapshots that have been replaced in the
// meantime, delays no other reader, and always gets the latest. The loop ends after a
// pair with the last snapshot and an error: the end of ctx, ErrClosed, or
// session.ErrClosed.
func (t *Tree[T]) Watch(ctx context.Context) iter.Seq2[TreeSnapshot[T], error] {
	return func(yield func(TreeSnapshot[T], error) bool) {
		var shown *treeState[T]
		for {
			st := t.state.Load()
			switch {
			case ctx.Err() != nil:
				yield(st.TreeSnapshot, &session.OpError{Package: "config", Op: "watch", Path: t.path, Err: context.Cause(ctx)})
				return
			case st.end != nil:
				yield(st.TreeSnapshot, st.end)
				return
			case st != shown:
				if shown = st; !yield(st.TreeSnapshot, nil) {
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

// Put is the function Put for the value of a key. Load shows the new value when a
// server has notified the view.
func (t *Tree[T]) Put(ctx context.Context, key string, value T, version int32) (Snapshot[T], error) {
	n := t.node(key)
	w, err := n.put(ctx, value, version)
	return w.Snapshot, n.explain(ctx, err, version)
}

// Update is the function Update for the value of a key. Load shows the new value when
// a server has notified the view.
func (t *Tree[T]) Update(ctx context.Context, key string, fn func(T) (T, error)) (Snapshot[T], error) {
	w, err := t.node(key).update(ctx, func() T { var zero T; return zero }, fn)
	return w.Snapshot, err
}

// Delete deletes the node of a key if it has the given version, or any version if
// version is session.AnyVersion. Delete returns nil only if this call deleted the
// node. Lost replies are looked up, as by Put.
func (t *Tree[T]) Delete(ctx context.Context, key string, version int32) error {
	c := t.node(key)
	_, err := c.commit(ctx, "delete", session.OpDelete(c.path, version))
	return err
}

// Close ends the view of the tree. Load still returns the last snapshot. Close may be
// called again.
func (t *Tree[T]) Close() {
	t.view.Close()
	<-t.done
}
