package membership

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/view"
	"github.com/zkrecipes/zkrecipes/session"
)

// Members reads the members. If the group does not exist, there are none. The process
// itself is included only if it is a member. Its earlier calls of Join, Update and
// Leave are seen.
//
// Members takes a list and one flight that reads all members. A member that joins or
// leaves during the call may be included or not.
func (g *Group) Members(ctx context.Context) (Snapshot, error) {
	if err := g.check(); err != nil {
		return Snapshot{}, &session.OpError{Package: "membership", Op: "list", Path: g.path, Err: err}
	}
	return session.InEpoch(ctx, g.session, session.OpError{Package: "membership", Op: "list", Path: g.path}, func(e *session.Epoch) (Snapshot, error) { return g.read(ctx, e) })
}

func (g *Group) read(ctx context.Context, e *session.Epoch) (Snapshot, error) {
	names, err := e.Children(ctx, g.path)
	if errors.Is(err, session.ErrNoNode) {
		return Snapshot{}, nil
	}
	if err != nil {
		return Snapshot{}, err
	}
	var paths []string
	for _, name := range names {
		if path := session.Join(g.path, name); g.layout.accepts(name) && session.CheckPath(path) == nil {
			paths = append(paths, path)
		}
	}
	nodes, err := e.Nodes(ctx, paths...)
	if err != nil {
		return Snapshot{}, err
	}
	var v Snapshot
	for _, n := range nodes {
		_, name := session.Split(n.Path)
		// A node that was deleted since the list, or may not be read, has no owner.
		if m, ok := g.layout.member(g.path, name, n.Data, n.Stat); ok {
			v.Members = append(v.Members, m)
		}
	}
	v.sort()
	return v, nil
}

// maxUnsettled is how long a watcher tries to read a snapshot of one moment while the
// group changes all the time.
const maxUnsettled = time.Second

// Watch yields the members, and then every later snapshot that differs. A slow reader
// skips snapshots that have been replaced in the meantime and always gets the latest.
// Watch continues across reconnects and epochs. While there is no connection nothing
// is yielded; see Session.Changed. The last pair has the last snapshot and an error: the
// end of ctx, session.ErrClosed, or session.ErrNoAuth.
//
// A snapshot is the group at one moment, unless the group has been changing for a second
// without a pause. Then each member is shown as it was at a different moment.
//
// Watch takes two round trips at first. After a pause, a change is read immediately: a
// list of names if a member has joined or left, and the members that are new or have
// changed. The next read follows after a tenth of a second plus half a millisecond for
// every name and member of the last read.
func (g *Group) Watch(ctx context.Context) iter.Seq2[Snapshot, error] {
	return func(yield func(Snapshot, error) bool) {
		if err := g.check(); err != nil {
			yield(Snapshot{}, &session.OpError{Package: "membership", Op: "watch", Path: g.path, Err: err})
			return
		}
		v, err := view.Open(ctx, g.session, g.path, view.Options{Package: "membership", Depth: 1, Accept: g.layout.accepts, Patience: maxUnsettled})
		if err != nil {
			yield(Snapshot{}, err)
			return
		}
		defer v.Close()
		var last Snapshot
		yielded := false
		for s, err := range v.Watch(ctx) {
			if err == nil {
				err = s.Root.Err
			}
			if err != nil {
				yield(last, err)
				return
			}
			now := g.snapshot(s)
			if yielded && now.equal(last) {
				continue
			}
			if yielded, last = true, now; !yield(now, nil) {
				return
			}
		}
	}
}

// snapshot decodes the nodes of a view's snapshot.
func (g *Group) snapshot(s *view.Snapshot) Snapshot {
	var v Snapshot
	for _, n := range s.Nodes {
		if m, ok := g.layout.member(g.path, n.Path, n.Data, n.Stat); ok {
			v.Members = append(v.Members, m)
		}
	}
	if g.layout != Curator { // in layout Curator the nodes are sorted by id
		v.sort()
	}
	return v
}
