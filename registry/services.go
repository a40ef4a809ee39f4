package registry

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/zkrecipes/zkrecipes/session"
)

// servicesIn finds the services that have instances. It searches one level below the
// root, and in layout Spring further levels as well.
func (r *Registry) servicesIn(ctx context.Context, e *session.Epoch) (services []string, err error) {
	dirs, err := childrenIn(ctx, e, r.root)
	if errors.Is(err, session.ErrNoNode) {
		return nil, nil
	}
	for err == nil && len(dirs) > 0 {
		var inside []session.Node
		var found []string
		found, inside, err = r.search(ctx, e, dirs)
		services = append(services, found...)
		if dirs = nil; r.options.layout == Spring {
			dirs = inside
		}
	}
	slices.Sort(services)
	return services, err
}

// below returns a path relative to the root.
func (r *Registry) below(path string) string {
	return strings.TrimPrefix(strings.TrimPrefix(path, r.root), "/")
}

// serviceNode is a node that may be the node of a service.
type serviceNode struct {
	name string   // relative to the root
	left []string // paths of children that have not been read
}

// search returns the names of the nodes that have instances below them, and the nodes
// below them that are not instances.
func (r *Registry) search(ctx context.Context, e *session.Epoch, dirs []session.Node) (found []string, inside []session.Node, err error) {
	lists := make([]session.Node, 0, len(dirs))
	for _, d := range dirs {
		if d.Err != nil {
			found = append(found, r.below(d.Path)) // it may have instances
		} else if d.Stat.NumChildren > 0 {
			lists = append(lists, d)
		}
	}
	var serviceNodes []*serviceNode
	for part := range slices.Chunk(lists, flight) {
		names, errs := make([][]string, len(part)), make([]error, len(part))
		var all sync.WaitGroup
		for i, d := range part {
			all.Go(func() { names[i], errs[i] = e.Children(ctx, d.Path) })
		}
		all.Wait()
		for i, d := range part {
			f := &serviceNode{name: r.below(d.Path)}
			switch err := errs[i]; {
			case errors.Is(err, session.ErrNoAuth):
				found = append(found, f.name)
			case err != nil && !errors.Is(err, session.ErrNoNode):
				return nil, nil, err
			}
			for _, name := range names[i] {
				if path := session.Join(d.Path, name); session.CheckPath(path) == nil {
					f.left = append(f.left, path)
				}
			}
			serviceNodes = append(serviceNodes, f)
		}
	}
	rd := r.reader()
	some := 1
	if r.options.layout == Spring {
		some = flight // read all: there may be services below as well
	}
	for len(serviceNodes) > 0 {
		has := make(map[string]bool)
		of := make(map[string]string)
		var paths []string
		for _, f := range serviceNodes {
			n := min(some, len(f.left))
			for _, path := range f.left[:n] {
				of[path] = f.name
			}
			paths, f.left = append(paths, f.left[:n]...), f.left[n:]
		}
		for part := range slices.Chunk(paths, flight) {
			nodes, err := e.Nodes(ctx, part...)
			if err != nil {
				return nil, nil, err
			}
			for _, n := range nodes {
				list, derr := rd.decode("", n)
				switch {
				case errors.Is(n.Err, session.ErrNoNode):
				case n.Err != nil || derr == nil && len(list) > 0:
					has[of[n.Path]] = true
				default:
					inside = append(inside, n)
				}
			}
		}
		serviceNodes = slices.DeleteFunc(serviceNodes, func(f *serviceNode) bool {
			if has[f.name] && !slices.Contains(found, f.name) {
				found = append(found, f.name)
			}
			return len(f.left) == 0 || has[f.name] && r.options.layout != Spring
		})
		some *= 4
	}
	return found, inside, nil
}
