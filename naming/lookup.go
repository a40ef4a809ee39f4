package naming

import (
	"context"
	"iter"

	"github.com/zkrecipes/zkrecipes/internal/recipe/view"
	"github.com/zkrecipes/zkrecipes/session"
)

// Lookup returns the value that a name is bound to. Links are followed, also in the
// elements before the last. The error is ErrNotBound if the name, or the target of a
// link, is not bound, and ErrLinks if there are too many links.
//
// Lookup takes one round trip, a flight of reads, and one more for each link. The
// server may lag behind recent changes; call session.Session.Sync first to see them.
func (d *Directory) Lookup(ctx context.Context, name string) ([]byte, error) {
	w, err := d.resolve(ctx, name, true)
	if err == nil && (w.node.Err != nil || !bound(w.node)) {
		err = ErrNotBound
	}
	if err != nil {
		return nil, d.errorOf("look up", name, err)
	}
	return w.node.Data, nil
}

// Entry is a name directly below another name.
type Entry struct {
	Name      string       // the last element of the name
	Bound     bool         // if false, the node only leads to other names
	Value     []byte       // nil if it is a link
	Link      string       // the target, if the name is a link
	Ephemeral bool         // the binding lasts as long as a ZooKeeper session
	Zxid      session.Zxid // of the last change of the value
	Err       error        // why it cannot be read; usually session.ErrNoAuth
}

func entry(n view.Node) Entry {
	e := Entry{Name: n.Path, Err: n.Err, Ephemeral: n.Stat.Ephemeral(), Zxid: n.Stat.Mzxid}
	e.Bound = bound(session.Node{Data: n.Data, Stat: n.Stat})
	if to, ok := target(n.Data); ok {
		e.Link = to
	} else if e.Bound {
		e.Value = n.Data
	}
	return e
}

// List returns the entries directly below a name, sorted. The empty name is the
// directory itself. The list is empty if there is nothing below the name or the name
// does not exist. All links in the name are followed, also if name is one itself.
//
// List takes a list and a flight of reads, after the reads of Lookup.
func (d *Directory) List(ctx context.Context, name string) ([]Entry, error) {
	for entries, err := range d.Watch(ctx, name) {
		return entries, err
	}
	panic("naming: Watch yields at least once")
}

// Watch yields what List returns, and again after each change. A slow reader skips
// lists that have been replaced in the meantime. Watch continues across reconnects and
// expiries. The last pair has the last list and an error: the end of ctx, or
// session.ErrClosed. Links are
// followed at the beginning only.
func (d *Directory) Watch(ctx context.Context, name string) iter.Seq2[[]Entry, error] {
	return func(yield func([]Entry, error) bool) {
		v, err := d.view(ctx, name)
		if err != nil {
			yield(nil, d.errorOf("list", name, err))
			return
		}
		defer v.Close()
		var entries []Entry
		for snap, err := range v.Watch(ctx) {
			if err != nil {
				yield(entries, d.errorOf("list", name, err))
				return
			}
			entries = make([]Entry, 0, len(snap.Nodes))
			for _, n := range snap.Nodes {
				entries = append(entries, entry(n))
			}
			if !yield(entries, nil) {
				return
			}
		}
	}
}

func (d *Directory) view(ctx context.Context, name string) (*view.View, error) {
	if d.argErr != nil {
		return nil, d.argErr
	}
	path := d.root
	if name != "" {
		w, err := d.resolve(ctx, name, true)
		if err != nil {
			return nil, err
		}
		path = w.path
	}
	return view.Open(ctx, d.session, path, view.Options{Package: "naming", Depth: 1})
}
