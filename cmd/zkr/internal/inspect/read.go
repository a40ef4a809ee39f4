package inspect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/zkrecipes/zkrecipes/session"
)

// reader reads nodes, many in one flight. With follow, it watches what it reads.
type reader struct {
	epoch  *session.Epoch
	limits Limits
	follow bool

	mu      sync.Mutex
	watches []*session.Watch
	read    int // how many nodes were read
}

// inFlight bounds the requests of one flight, and concurrent the requests that are not
// sent as a flight.
const (
	inFlight   = 500
	concurrent = 16
)

// exhausted reports whether so much was read that recipes are no longer completed.
func (r *reader) exhausted() bool {
	const factor = 5
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.read > factor*r.limits.Nodes
}

func (r *reader) keep(w *session.Watch) {
	if w == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watches = append(r.watches, w)
}

// closeWatches removes all watches.
func closeWatches(ws []*session.Watch) {
	for _, w := range ws {
		w.Close()
	}
}

// maxData is the largest data that is read.
const maxData = 64 << 10

// nodes reads the Stat of nodes, and the data of those that have little.
// Nodes that do not exist are left out.
func (r *reader) nodes(ctx context.Context, paths []string) ([]session.Node, error) {
	return r.small(ctx, paths, r.follow)
}

// peek is nodes without watches.
func (r *reader) peek(ctx context.Context, paths []string) ([]session.Node, error) {
	return r.small(ctx, paths, false)
}

func (r *reader) small(ctx context.Context, paths []string, watch bool) ([]session.Node, error) {
	nodes, err := r.stats(ctx, paths)
	if err != nil {
		return nil, err
	}
	var small []string
	large := make(map[string]session.Node)
	for _, n := range nodes {
		if n.Stat.DataLength <= maxData {
			small = append(small, n.Path)
			continue
		}
		large[n.Path] = n
		if watch {
			_, n.Watch, err = r.epoch.WatchNode(ctx, n.Path)
			if err != nil && !isRefusal(err) {
				return nil, err
			}
			r.keep(n.Watch)
		}
	}
	read := r.epoch.Nodes
	if watch {
		read = r.epoch.WatchNodes
	}
	found, err := r.readAll(ctx, read, small)
	if len(large) == 0 {
		return found, err
	}
	for _, n := range found {
		large[n.Path] = n
	}
	var all []session.Node
	for _, path := range paths {
		if n, ok := large[path]; ok {
			all = append(all, n)
		}
	}
	return all, err
}

// stats reads the Stat of nodes.
func (r *reader) stats(ctx context.Context, paths []string) ([]session.Node, error) {
	return r.readAll(ctx, r.epoch.Stats, paths)
}

func (r *reader) readAll(ctx context.Context, read func(context.Context, ...string) ([]session.Node, error), paths []string) ([]session.Node, error) {
	r.mu.Lock()
	r.read += len(paths)
	r.mu.Unlock()
	var found []session.Node
	for flight := range slices.Chunk(paths, inFlight) {
		ns, err := read(ctx, flight...)
		if err != nil {
			return nil, err
		}
		for _, n := range ns {
			r.keep(n.Watch)
			if !errors.Is(n.Err, session.ErrNoNode) {
				found = append(found, n)
			}
		}
	}
	return found, nil
}

// listing is the children of one node.
type listing struct {
	names []string // sorted
	stat  session.Stat
	err   error
}

// list lists the children of nodes. A node that does not exist has no children.
func (r *reader) list(ctx context.Context, paths []string) ([]listing, error) {
	listings := make([]listing, len(paths))
	if !r.follow {
		err := parallel(len(paths), func(i int) error {
			names, st, err := r.epoch.Session().Children(ctx, paths[i])
			if isRefusal(err) {
				listings[i].err = err
				return nil
			}
			slices.Sort(names)
			listings[i] = listing{names: names, stat: st}
			return err
		})
		return listings, err
	}
	done := 0
	for flight := range slices.Chunk(paths, inFlight) {
		ls, err := r.epoch.WatchListings(ctx, flight...)
		if err != nil {
			return nil, err
		}
		for _, l := range ls {
			r.keep(l.Watch)
			slices.Sort(l.Names)
			listings[done] = listing{l.Names, l.Stat, l.Err}
			done++
		}
	}
	return listings, nil
}

// isRefusal reports whether the servers have refused to read one node.
func isRefusal(err error) bool {
	return errors.Is(err, session.ErrNoNode) || errors.Is(err, session.ErrNoAuth)
}

// parallel calls f for the numbers below n, some at a time, and returns the first error.
func parallel(n int, f func(i int) error) error {
	var all sync.WaitGroup
	errs := make([]error, n)
	turns := make(chan struct{}, concurrent)
	for i := range n {
		turns <- struct{}{}
		all.Go(func() {
			defer func() { <-turns }()
			errs[i] = f(i)
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// filler completes a recipe by reading more nodes.
type filler struct {
	reader *reader
	node   *node
	out    *Recipe
}

// children lists a child of the recipe's node.
func (f *filler) children(ctx context.Context, name string) (listing, error) {
	if !f.node.has(name) {
		return listing{}, nil
	}
	ls, err := f.reader.list(ctx, []string{session.Join(f.node.path, name)})
	if err != nil {
		return listing{}, err
	}
	f.noteRefusal(name, ls[0].err)
	return ls[0], nil
}

func (f *filler) noteRefusal(name string, err error) {
	if errors.Is(err, session.ErrNoAuth) {
		f.out.add(CauseNoAuth, name, fmt.Sprintf("%s may not be read", name))
	}
}

// bounded returns the first names of a list, and notes if some are left out.
func (f *filler) bounded(names []string, what string) []string {
	if limit := f.reader.limits.Participants; len(names) > limit {
		f.out.LeftOut = append(f.out.LeftOut, fmt.Sprintf("%d of %d %s", len(names)-limit, len(names), what))
		return names[:limit]
	}
	return names
}

// participants reads nodes below dir, and returns a participant for each.
func (f *filler) participants(ctx context.Context, dir string, names []string, what string) ([]Participant, error) {
	var ps []Participant
	ns, err := f.reader.nodes(ctx, join(dir, f.bounded(names, what)))
	for _, n := range ns {
		f.noteRefusal(f.below(n.Path), n.Err)
		if n.Err == nil {
			ps = append(ps, f.participant(n, ""))
		}
	}
	return ps, err
}

// join returns the paths of children.
func join(dir string, names []string) []string {
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = session.Join(dir, name)
	}
	return paths
}

// below returns the part of a path below the recipe's, or its last element.
func (f *filler) below(path string) string {
	if rest, ok := strings.CutPrefix(path, strings.TrimSuffix(f.node.path, "/")+"/"); ok {
		return rest
	}
	_, name := session.Split(path)
	return name
}
