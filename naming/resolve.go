package naming

import (
	"context"
	"errors"

	"github.com/zkrecipes/zkrecipes/session"
)

// resolution is a name after all links in it have been followed.
type resolution struct {
	name   string
	path   string       // of the name's node
	broken bool         // nodes that lead to the name are missing
	node   session.Node // as it was read; Err is session.ErrNoNode if it does not exist
}

// resolve reads all nodes that lead to a name in one flight, and again for each link
// among them. If the last node is a link, it is followed only if last is true.
func (d *Directory) resolve(ctx context.Context, name string, last bool) (resolution, error) {
	if d.argErr != nil {
		return resolution{}, d.argErr
	}
	if err := checkName(name); err != nil {
		return resolution{}, err
	}
	for links := 0; ; links++ {
		nodes, err := d.readAll(ctx, prefixes(name))
		if err != nil {
			return resolution{}, err
		}
		w, to, err := d.resolveLinks(name, nodes, last)
		if err != nil || to == "" {
			return w, err
		}
		if links == d.options.links {
			return resolution{}, ErrLinks
		}
		name = to
	}
}

// resolveLinks examines the nodes in order and stops at the first link to be followed;
// to is then the name with that link replaced by its target.
func (d *Directory) resolveLinks(name string, nodes []session.Node, last bool) (w resolution, to string, err error) {
	w = resolution{name: name, path: d.path(name)}
	for i, n := range nodes {
		end := i == len(nodes)-1
		switch t, link := target(n.Data); {
		case errors.Is(n.Err, session.ErrNoNode):
			w.broken = w.broken || !end
		case n.Err != nil:
			return w, "", n.Err
		case link && (!end || last):
			return w, follow(name, i+1, t), nil
		}
		if end {
			w.node = n
		}
	}
	return w, "", nil
}

func (d *Directory) readAll(ctx context.Context, names []string) ([]session.Node, error) {
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = d.path(name)
	}
	return session.InEpoch(ctx, d.session, session.OpError{}, func(e *session.Epoch) ([]session.Node, error) { return e.Nodes(ctx, paths...) })
}

// createMissing creates the nodes that lead to a name. They are not containers: they
// may be bound later, and a container is deleted with the last name below it.
func (d *Directory) createMissing(ctx context.Context, w resolution) error {
	if err := d.session.CreateAncestors(ctx, d.path("any")); err != nil {
		return err
	}
	all := prefixes(w.name)
	for _, name := range all[:len(all)-1] {
		_, _, err := d.session.Create(ctx, d.path(name), nil)
		if errors.Is(err, session.ErrNoNode) {
			return nil // another client deletes empty parents: bind resolves the name again
		}
		if err != nil && !errors.Is(err, session.ErrNodeExists) && !errors.Is(err, session.ErrUnknown) {
			return err
		}
	}
	return nil
}

// deleteEmptyParents deletes the nodes that led to a name and lead to no other, from
// the bottom up. A node that cannot be deleted stays; it does no harm.
func (d *Directory) deleteEmptyParents(ctx context.Context, w resolution) {
	all := prefixes(w.name)
	for i := len(all) - 2; i >= 0; i-- {
		n, err := d.read(ctx, d.path(all[i]))
		if err != nil || bound(n) || n.Stat.NumChildren > 0 || d.session.Delete(ctx, n.Path, n.Stat.Version) != nil {
			return
		}
	}
}
