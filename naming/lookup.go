package naming

import (
	"context"
	"iter"

	"github.com/zkrecipes/zkrecipes/internal/recipe/view"
	"github.com/zkrecipes/zkrecipes/session"
)

// Lookup returns the value that a name is bound to. Links are followed, also on the
// way to the name. ErrNotBound if there is none, at the name itself or where a link
// leads to; ErrLinks if there are too many.
//
// It takes one round trip, a flight of reads, and one more for each link. The server
// may lag behind what others have just been told; session.Session.Sync has it catch
// up.
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

// Entry is what is directly below a name.
type Entry struct {
	Name      string       // its own part of the name
	Bound     bool         // if not, it only leads to others
	Value     []byte       // nil if it is a link
	Link      string       // where it leads to, if it is one
	Ephemeral bool         // it is bound as long as a session lives
	Zxid      session.Zxid // of the last change of the value
	Err       error        // why it cannot be read: session.ErrNoAuth as a rule
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

// List returns what is directly below a name, sorted; the empty name is the
// directory itself. A name that has nothing below it, or does not exist, has an
// empty list. Links on the way are followed, and so is name if it is one.
//
// It takes a list and a flight of reads, after those of Lookup.
func (d *Directory) List(ctx context.Context, name string) ([]Entry, error) {
	for entries, err := range d.Watch(ctx, name) {
		return entries, err
	}
	panic("naming: Watch yields at least once")
}

// Watch yields what List returns, and again after each change. A slow reader skips
// what has been replaced meanwhile. It goes on across reconnects and expiries, and
// ends with an error: the cause of ctx, or session.ErrClosed. Links are followed
// when it begins, and not again.
func (d *Directory) Watch(ctx context.Context, name string) iter.Seq2[[]Entry, error] {
	return func(yield func([]Entry, error) bool) {
		v, err := d.view(ctx, name)
		if err != nil {
			yield(nil, d.errorOf("list", name, err))
			return
		}
		defer v.Close()
		for snap, err := range v.Watch(ctx) {
			if err != nil {
				yield(nil, d.errorOf("list", name, err))
				return
			}
			entries := make([]Entry, 0, len(snap.Nodes))
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
