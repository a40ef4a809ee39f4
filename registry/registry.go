package registry

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/zkrecipes/zkrecipes/internal/client/enum"
	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/session"
)

// Registry registers and finds the instances of services. It holds no state and is
// safe for concurrent use.
type Registry struct {
	session *session.Session
	root    string
	format  format
	options options
}

// New returns the registry at root, or at the layout's default if root is empty; see
// Layout.Root. It sends nothing.
func New(s *session.Session, root string, opts ...Option) *Registry {
	o := newOptions(opts)
	if root == "" {
		root = o.layout.Root()
	}
	return &Registry{session: s, root: root, format: o.format(), options: o}
}

// check refuses unknown layouts and invalid roots.
func (r *Registry) check(op string) error {
	err := args.CheckPath("registry", r.root, enum.Check("layout", layoutNames, r.options.layout, session.ErrInvalid))
	if err != nil {
		return &session.OpError{Package: "registry", Op: op, Path: r.root, Err: errors.Unwrap(err)}
	}
	return nil
}

// dir returns the path of a service's node.
func (r *Registry) dir(op, service string) (string, error) {
	if err := r.check(op); err != nil {
		return "", err
	}
	name, err := r.format.dir(service)
	if err != nil {
		return "", &session.OpError{Package: "registry", Op: op, Path: r.root, Err: err}
	}
	return session.Join(r.root, name), nil
}

// Lookup returns the instances of a service, sorted by id. An unknown service has
// none. Nodes that are not instances are skipped; see WithMalformedHandler.
//
// Lookup takes two round trips, a list and a read of every node. For frequent lookups
// use Resolve or Watch, which answer from memory.
func (r *Registry) Lookup(ctx context.Context, service string) ([]Instance, error) {
	dir, err := r.dir("lookup", service)
	if err != nil {
		return nil, err
	}
	nodes, err := r.children(ctx, dir)
	if err != nil {
		return nil, err
	}
	rd := r.reader()
	var list []Instance
	for _, n := range nodes {
		list = append(list, rd.read(service, n)...)
	}
	r.report(rd.problems())
	slices.SortFunc(list, Instance.compare)
	return list, nil
}

// Services returns the names of the services that have instances, sorted. In layout
// Micro a slash in a name appears as "-".
//
// Services usually takes four round trips: two for the nodes of the services, one for
// their lists and one for a node of each. Nodes that are not instances may cost more.
// In layout Spring, where the name of a service may have slashes, each level costs
// that much.
func (r *Registry) Services(ctx context.Context) ([]string, error) {
	if err := r.check("list services"); err != nil {
		return nil, err
	}
	return session.InEpoch(ctx, r.session, session.OpError{Package: "registry", Op: "list services", Path: r.root}, func(e *session.Epoch) ([]string, error) { return r.servicesIn(ctx, e) })
}

// flight is how many nodes are read at once.
const flight = 256

// children reads the children of a node, none if the node does not exist. A child that
// may not be read has its Err set.
func (r *Registry) children(ctx context.Context, path string) ([]session.Node, error) {
	nodes, err := session.InEpoch(ctx, r.session, session.OpError{Package: "registry", Op: "list", Path: path}, func(e *session.Epoch) ([]session.Node, error) { return childrenIn(ctx, e, path) })
	if errors.Is(err, session.ErrNoNode) {
		return nil, nil
	}
	return nodes, err
}

func childrenIn(ctx context.Context, e *session.Epoch, path string) ([]session.Node, error) {
	names, err := e.Children(ctx, path)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, name := range names {
		if child := session.Join(path, name); session.CheckPath(child) == nil {
			paths = append(paths, child)
		}
	}
	var nodes []session.Node
	for some := range slices.Chunk(paths, flight) {
		read, err := e.Nodes(ctx, some...)
		if err != nil {
			return nil, err
		}
		for _, n := range read {
			if !errors.Is(n.Err, session.ErrNoNode) { // it was deleted since the list
				nodes = append(nodes, n)
			}
		}
	}
	return nodes, nil
}

// reader decodes nodes into instances. It decodes each version of a node once, and
// reports once what is wrong with it. It must not be used concurrently.
type reader struct {
	registry *Registry
	known    map[string]version
	used     map[string]version // since the last sweep
	wrong    []error            // not reported yet
}

// version is the result of decoding a node.
type version struct {
	service string
	stat    session.Stat
	data    []byte
	list    []Instance
	refused bool
}

// of reports whether v was decoded from the current version of the node. Zxids are not
// sufficient: they can repeat after servers are restored.
func (v *version) of(n session.Node) bool {
	return v.stat.Czxid == n.Stat.Czxid && v.stat.Mzxid == n.Stat.Mzxid &&
		v.stat.Mtime.Equal(n.Stat.Mtime) && bytes.Equal(v.data, n.Data)
}

func (r *Registry) reader() *reader {
	return &reader{registry: r, used: make(map[string]version)}
}

// read returns the instances in a node of a service. They must not be changed.
func (rd *reader) read(service string, n session.Node) []Instance {
	v, ok := rd.known[n.Path]
	if !ok || !v.of(n) || v.service != service || v.refused != (n.Err != nil) {
		v = version{service: service, stat: n.Stat, data: n.Data, refused: n.Err != nil}
		var err error
		if v.list, err = rd.decode(service, n); err != nil {
			rd.wrong = append(rd.wrong, &session.OpError{Package: "registry", Op: "read", Path: n.Path, Err: err})
		}
	}
	rd.used[n.Path] = v
	return v.list
}

// problems returns what was wrong with the nodes that were decoded since the last
// call.
func (rd *reader) problems() []error {
	wrong := rd.wrong
	rd.wrong = nil
	return wrong
}

// report calls the handler of WithMalformedHandler. The caller must not hold a lock.
func (r *Registry) report(problems []error) {
	for _, err := range problems {
		r.options.malformed(err)
	}
}

// sweep forgets the nodes that were not read since the last sweep.
func (rd *reader) sweep() {
	rd.known, rd.used = rd.used, make(map[string]version, len(rd.used))
}

func (rd *reader) decode(service string, n session.Node) (list []Instance, err error) {
	if n.Err != nil && len(n.Data) == 0 {
		return nil, unwrapped(n.Err)
	}
	if rd.registry.options.layout == Spring && len(n.Data) == 0 && n.Err == nil {
		return nil, nil // a part of a service's name
	}
	_, name := session.Split(n.Path)
	if f, ok := rd.registry.format.(interface{ skips(name string) bool }); ok && f.skips(name) {
		return nil, nil
	}
	o, err := parseObject(n.Data)
	if err == nil {
		list, err = rd.registry.format.decode(name, o)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	for i := range list {
		if list[i].Service == "" || rd.registry.options.layout != Micro {
			list[i].Service = service
		}
	}
	return list, unwrapped(n.Err)
}

// unwrapped removes the operation and path from an error.
func unwrapped(err error) error {
	var oe *session.OpError
	if errors.As(err, &oe) {
		return oe.Err
	}
	return err
}

func (in Instance) compare(o Instance) int {
	return cmp.Or(cmp.Compare(in.Service, o.Service), cmp.Compare(in.ID, o.ID), cmp.Compare(in.Addr, o.Addr))
}
