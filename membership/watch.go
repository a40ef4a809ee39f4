package membership

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/view"
	"github.com/zkrecipes/zkrecipes/session"
)

// Members reads who is a member. There is nobody where there is no group. The
// process itself is in it only if it is a member; its own Join, Update and Leave
// are seen by a later call.
//
// It takes a list, and then one flight that reads all members. Who joins or leaves
// meanwhile may be in it or not.
func (g *Group) Members(ctx context.Context) (View, error) {
	if err := g.check(); err != nil {
		return View{}, &session.OpError{Package: "membership", Op: "list", Path: g.path, Err: err}
	}
	return session.InEpoch(ctx, g.session, session.OpError{Package: "membership", Op: "list", Path: g.path}, func(e *session.Epoch) (View, error) { return g.read(ctx, e) })
}

func (g *Group) read(ctx context.Context, e *session.Epoch) (View, error) {
	names, err := e.Children(ctx, g.path)
	if errors.Is(err, session.ErrNoNode) {
		return View{}, nil
	}
	if err != nil {
		return View{}, err
	}
	var paths []string
	for _, name := range names {
		if path := session.Join(g.path, name); g.layout.accepts(name) && session.CheckPath(path) == nil {
			paths = append(paths, path)
		}
	}
	nodes, err := e.Nodes(ctx, paths...)
	if err != nil {
		return View{}, err
	}
	var v View
	for _, n := range nodes {
		_, name := session.Split(n.Path)
		// What has gone meanwhile, or may not be read, has no owner.
		if m, ok := g.layout.member(g.path, name, n.Data, n.Stat); ok {
			v.Members = append(v.Members, m)
		}
	}
	v.sort()
	return v, nil
}

// maxUnsettled is how long a watcher tries for a view of one moment while members come
// and go all the time.
const maxUnsettled = time.Second

// Watch yields who is a member, and then every later view that is another. A slow
// reader skips those that have been replaced meanwhile, and always arrives at the
// latest. It goes on across reconnects and epochs; while there is no connection
// nothing is yielded, and Session.Changed tells of that. It ends with a pair whose
// error is not nil: the end of ctx, session.ErrClosed, or session.ErrNoAuth.
//
// A view is what the group was at one moment, unless it has been changing for a
// second without a break; then each member is shown as it was at a moment of its
// own.
//
// It takes two round trips at first. After a rest, a change is read at once: a list
// of names if somebody has come or gone, and the members that are new or have
// changed. The next read follows after a tenth of a second, and half a millisecond
// for every name and member of the last.
func (g *Group) Watch(ctx context.Context) iter.Seq2[View, error] {
	return func(yield func(View, error) bool) {
		if err := g.check(); err != nil {
			yield(View{}, &session.OpError{Package: "membership", Op: "watch", Path: g.path, Err: err})
			return
		}
		v, err := view.Open(ctx, g.session, g.path, view.Options{Package: "membership", Depth: 1, Accept: g.layout.accepts, Patience: maxUnsettled})
		if err != nil {
			yield(View{}, err)
			return
		}
		defer v.Close()
		var last View
		told := false
		for s, err := range v.Watch(ctx) {
			if err == nil {
				err = s.Root.Err
			}
			if err != nil {
				yield(View{}, err)
				return
			}
			now := g.view(s)
			if told && now.equal(last) {
				continue
			}
			if told, last = true, now; !yield(now, nil) {
				return
			}
		}
	}
}

// view turns what the nodes are into members.
func (g *Group) view(s *view.Snapshot) View {
	var v View
	for _, n := range s.Nodes {
		if m, ok := g.layout.member(g.path, n.Path, n.Data, n.Stat); ok {
			v.Members = append(v.Members, m)
		}
	}
	if g.layout != Curator { // whose order that of the nodes is
		v.sort()
	}
	return v
}
