package inspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/zkrecipes/zkrecipes/session"
)

// Limits bounds what Read reads. A zero field has its default.
type Limits struct {
	Depth        int // levels below the path that are searched for recipes; default 4
	Children     int // children of one node that are searched; default 100
	Participants int // contenders, items, members or tasks of one recipe; default 1000 for the recipe at the path, 100 for those below it
	Nodes        int // all nodes that are searched; default 5000, and 1000 for Watch
}

// The defaults of Limits.
const (
	DefaultDepth = 4

	defaultChildren = 100
	defaultNodes    = 5000
	watchedNodes    = 1000
	aloneLimit      = 1000
	inTreeLimit     = 100
	sampleSize      = 8
)

func (l Limits) withDefaults() Limits {
	def := func(n *int, value int) {
		if *n == 0 {
			*n = value
		}
	}
	def(&l.Depth, DefaultDepth)
	def(&l.Children, defaultChildren)
	def(&l.Nodes, defaultNodes)
	return l
}

// Options configures Read and Watch.
type Options struct {
	Limits Limits
	// Sessions returns what the servers know about sessions. It may be nil.
	Sessions func(context.Context) Sessions
}

// Read reports which recipe is at path or, if there is none, which ones are below it. If
// the node does not exist, the error wraps session.ErrNoNode.
//
// Read takes a few round trips for each level and each recipe.
func Read(ctx context.Context, s *session.Session, path string, opts Options) (*Report, error) {
	e, err := s.Epoch(ctx)
	if err != nil {
		return nil, err
	}
	rep, _, err := read(ctx, e, path, opts, false)
	if err == nil && opts.Sessions != nil {
		rep.setSessions(opts.Sessions(ctx))
	}
	return rep, err
}

// read is Read in one epoch. With follow it returns watches of everything that it has
// read, also if it returns an error. The caller must close them.
func read(ctx context.Context, e *session.Epoch, path string, opts Options, follow bool) (*Report, []*session.Watch, error) {
	if follow && opts.Limits.Nodes == 0 {
		opts.Limits.Nodes = watchedNodes
	}
	limits := opts.Limits.withDefaults()
	w := &walk{
		reader: &reader{epoch: e, limits: limits, follow: follow},
		budget: limits.Nodes, report: &Report{Path: path}, children: make(map[string]int),
	}
	err := w.run(ctx, path)
	return w.report, w.reader.watches, err
}

// walk is one search for recipes, level by level.
type walk struct {
	budget   int // how many nodes may still be searched
	reader   *reader
	report   *Report
	children map[string]int // the numbers of children of nodes that are no recipes

	leftOut      []string
	leftOutCount int
}

func (w *walk) run(ctx context.Context, path string) error {
	root, err := w.root(ctx, path)
	if err != nil {
		return err
	}
	m := recognize(root)
	if m != nil && !m.open {
		return w.alone(ctx, root, m)
	}
	if w.reader.limits.Participants == 0 {
		w.reader.limits.Participants = inTreeLimit
	}
	level := []*node{root}
	for depth := 0; len(level) > 0; depth++ {
		next, err := w.level(ctx, level, depth < w.reader.limits.Depth)
		if err != nil {
			return err
		}
		level = next
	}
	rs := registries(w.report.Recipes, w.children)
	slices.SortFunc(rs, func(a, b *Recipe) int { return strings.Compare(a.Path, b.Path) })
	w.report.Recipes, w.report.LeftOut = rs, w.leftOut
	w.report.Tree = len(rs) != 1 || rs[0].Path != path
	return nil
}

// root reads the node at path, and its siblings, which help to recognize some nodes.
func (w *walk) root(ctx context.Context, path string) (*node, error) {
	nodes, err := w.load(ctx, []string{path}, nil)
	if err != nil {
		return nil, err
	}
	if len(nodes) == 0 {
		reason := session.ErrNoNode
		if len(w.leftOut) > 0 {
			reason = session.ErrNoAuth
		}
		return nil, &session.OpError{Package: "inspect", Op: "read", Path: path, Err: reason}
	}
	if path == "/" {
		return nodes[0], nil
	}
	return nodes[0], w.readParent(ctx, nodes[0])
}

// readParent reads the parent of the node at the path of the report, which is not
// watched, and notes whether the node is a part of the parent's recipe.
func (w *walk) readParent(ctx context.Context, n *node) error {
	parent, name := session.Split(n.path)
	unwatched := &walk{reader: &reader{epoch: w.reader.epoch, limits: w.reader.limits}}
	above, err := unwatched.load(ctx, []string{parent}, nil)
	if err != nil || len(above) == 0 {
		return err
	}
	n.siblings = above[0].names
	if m := recognize(above[0]); m != nil && slices.Contains(partKinds, m.kind) {
		w.report.Note = fmt.Sprintf("%s is a part of the %s at %s; see zkr inspect %s", name, m.name, parent, parent)
	}
	return nil
}

// partKinds are the recipes of which one node has children with fixed names, or whose
// children are contenders.
var partKinds = []Kind{KindLock, KindRWLock, KindSemaphore, KindElection, KindQueue, KindTasks, KindSlots, KindDoubleBarrier, KindPartitioner}

// alone describes the recipe at the path of the report.
func (w *walk) alone(ctx context.Context, n *node, m *match) error {
	if w.reader.limits.Participants == 0 {
		w.reader.limits.Participants = aloneLimit
	}
	r, err := w.describe(ctx, n, m)
	if err != nil {
		return err
	}
	w.report.Recipes = []*Recipe{r}
	return nil
}

// level describes the recipes among the nodes of one level, and returns those of the
// next one.
func (w *walk) level(ctx context.Context, nodes []*node, descend bool) ([]*node, error) {
	recipes := make([]*Recipe, len(nodes))
	matches := make([]*match, len(nodes))
	for i, n := range nodes {
		if matches[i] = recognize(n); matches[i] == nil && n.leaf() {
			matches[i] = &match{kind: KindFolder, name: "empty folder"}
		}
	}
	err := parallel(len(nodes), func(i int) (err error) {
		if matches[i] != nil {
			recipes[i], err = w.describe(ctx, nodes[i], matches[i])
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	var paths []string
	siblings := make(map[string][]string)
	for i, n := range nodes {
		if recipes[i] != nil {
			w.report.Recipes = append(w.report.Recipes, recipes[i])
		}
		if matches[i] != nil && !matches[i].open {
			continue
		}
		w.children[n.path] = len(n.names)
		if !descend {
			w.leaveOut(fmt.Sprintf("%s below %s, at the depth of the search", count(len(n.names), "node", "nodes"), n.path))
			continue
		}
		paths = append(paths, join(n.path, w.searched(n))...)
		siblings[n.path] = n.names
	}
	if left := len(paths) - w.budget; left > 0 {
		w.leaveOut(fmt.Sprintf("%s after the first %d", count(left, "node", "nodes"), w.reader.limits.Nodes))
		paths = paths[:w.budget]
	}
	w.budget -= len(paths)
	return w.load(ctx, paths, siblings)
}

// leaveOut notes what is not read, up to a number of notes.
func (w *walk) leaveOut(what string) {
	const most = 10
	if w.leftOutCount++; w.leftOutCount <= most {
		w.leftOut = append(w.leftOut, what)
		return
	}
	w.leftOut = append(w.leftOut[:most], fmt.Sprintf("and %d more of these", w.leftOutCount-most))
}

// searched returns the children of a node that are searched, and notes those that are
// left out.
func (w *walk) searched(n *node) []string {
	limit := w.reader.limits.Children
	if len(n.names) <= limit {
		return n.names
	}
	w.leaveOut(fmt.Sprintf("%d of %d children of %s", len(n.names)-limit, len(n.names), n.path))
	return n.names[:limit]
}

// load reads nodes, the names of their children, and a sample of these. siblings are the
// children of their parents. Nodes that may not be read are reported as left out.
func (w *walk) load(ctx context.Context, paths []string, siblings map[string][]string) ([]*node, error) {
	read, err := w.reader.nodes(ctx, paths)
	if err != nil {
		return nil, err
	}
	var nodes []*node
	var parents []int
	var dirs []string
	for _, r := range read {
		if errors.Is(r.Err, session.ErrNoAuth) {
			w.leaveOut(r.Path + " may not be read")
			continue
		}
		parent, _ := session.Split(r.Path)
		nodes = append(nodes, &node{path: r.Path, data: r.Data, stat: r.Stat, siblings: siblings[parent]})
		if r.Stat.NumChildren > 0 || w.reader.follow && !r.Stat.Ephemeral() {
			parents, dirs = append(parents, len(nodes)-1), append(dirs, r.Path)
		}
	}
	listings, err := w.reader.list(ctx, dirs)
	if err != nil {
		return nil, err
	}
	var samples []string
	for i, l := range listings {
		n := nodes[parents[i]]
		if l.err == nil {
			n.names, n.stat = l.names, l.stat
			samples = append(samples, join(n.path, spread(n.names))...)
		}
	}
	children, err := w.reader.peek(ctx, samples)
	if err != nil {
		return nil, err
	}
	byPath := make(map[string]*node)
	for _, n := range nodes {
		byPath[n.path] = n
	}
	for _, c := range children {
		parent, _ := session.Split(c.Path)
		if n := byPath[parent]; n != nil && c.Err == nil {
			n.sample = append(n.sample, c)
		}
	}
	return nodes, nil
}

// spread returns a sample of names: the first ones and the last one.
func spread(names []string) []string {
	if len(names) <= sampleSize {
		return names
	}
	return append(slices.Clone(names[:sampleSize-1]), names[len(names)-1])
}

// describe completes a recipe.
func (w *walk) describe(ctx context.Context, n *node, m *match) (*Recipe, error) {
	r := &Recipe{Path: n.path, Kind: m.kind, Name: m.name, Layout: m.layout, System: m.system, Or: m.or, Note: m.note}
	switch {
	case m.fill == nil:
		return r, nil
	case w.reader.exhausted():
		r.LeftOut = []string{"its state, because too many nodes were read before"}
		return r, nil
	}
	if err := m.fill(ctx, &filler{w.reader, n, r}); err != nil {
		return nil, err
	}
	r.findOwnerless()
	return r, nil
}
