package view

import (
	"slices"
	"strings"

	"github.com/zkrecipes/zkrecipes/session"
)

// entry is one followed node.
type entry struct {
	path  string // relative to the root
	depth int
	node  Node        // as last read
	gone  bool        // the node does not exist; for the root only
	names []string    // the names of the followed children, sorted
	data  watchedPart // the node's own data
	list  watchedPart // its children
}

// watchedPart is a node's data or its list of children.
type watchedPart struct {
	follow   bool
	watch    *session.Watch // nil after it has fired
	outdated bool           // out of date although watch has not fired
	refused  error          // the error of a server that refused to read it
}

// due reports whether the part has to be read.
func (l *watchedPart) due() bool {
	return l.follow && (l.watch == nil || l.outdated) && l.refused == nil
}

// consume marks the part as out of date if its watch has fired, and reports whether
// it fired because the node was deleted.
func (l *watchedPart) consume() (deleted bool) {
	if !l.watch.HasFired() {
		return false
	}
	deleted = l.watch.Deleted()
	l.watch, l.outdated = nil, false
	return deleted
}

// setWatch replaces the part's watch by w. The old one is closed only now, so that
// the server keeps a watch all the time.
func (l *watchedPart) setWatch(w *session.Watch) {
	l.reset()
	l.watch = w
}

func (l *watchedPart) reset() {
	l.watch.Close()
	l.watch, l.outdated = nil, false
}

// abs returns the absolute path of an entry.
func (f *follower) abs(path string) string {
	if path == "" {
		return f.view.path
	}
	return session.Join(f.view.path, path)
}

// below returns the relative path of a child.
func below(parent, name string) string {
	if parent == "" {
		return name
	}
	return parent + "/" + name
}

func (f *follower) add(path string, depth int) {
	limit := f.view.opts.Depth
	e := &entry{path: path, depth: depth, node: f.known(path)}
	e.data.follow = depth > 0 || limit == 0
	e.list.follow = limit < 0 || depth < limit
	f.entries[path] = e
}

// known returns a node as the view showed it last.
func (f *follower) known(path string) Node {
	n := Node{Path: path}
	if s := f.view.Snapshot(); s != nil && path == "" {
		n = s.Root
	} else if s != nil {
		if k, ok := s.Find(path); ok {
			n = k
		}
	}
	n.Err = nil
	return n
}

// remove removes the entry of a node and those below it.
func (f *follower) remove(path string) {
	e := f.entries[path]
	if e == nil {
		return
	}
	for _, name := range e.names {
		f.remove(below(path, name))
	}
	e.data.reset()
	e.list.reset()
	delete(f.entries, path)
}

// children sets the children of an entry to the accepted ones of names.
func (f *follower) children(e *entry, names []string) {
	names = slices.DeleteFunc(names, func(name string) bool {
		path := below(e.path, name)
		accept := f.view.opts.Accept
		return accept != nil && !accept(path) || session.CheckPath(f.abs(path)) != nil
	})
	slices.Sort(names)
	for _, name := range e.names {
		if _, ok := slices.BinarySearch(names, name); !ok {
			f.remove(below(e.path, name))
		}
	}
	e.names = names
	for _, name := range names {
		if path := below(e.path, name); f.entries[path] == nil {
			f.add(path, e.depth+1)
		}
	}
}

// refused reports whether a server has refused to read a part.
func (f *follower) refused() bool {
	for _, e := range f.entries {
		if e.data.refused != nil || e.list.refused != nil {
			return true
		}
	}
	return false
}

// watchAgain makes all refused parts due again.
func (f *follower) watchAgain() {
	for _, e := range f.entries {
		e.data.refused, e.list.refused = nil, nil
	}
}

// stale processes the watches that have fired, and reports whether a part has to be
// read.
func (f *follower) stale() bool {
	for _, e := range f.entries {
		e.list.consume()
		if e.data.consume() && e.path != "" {
			f.noteDeleted(e)
		}
	}
	any := false
	for _, e := range f.entries {
		any = any || e.data.due() || e.list.due()
	}
	return any
}

// drop closes all watches.
func (f *follower) drop() {
	for _, e := range f.entries {
		e.data.reset()
		e.list.reset()
	}
}

// snapshot returns a snapshot of the entries.
func (f *follower) snapshot(settled bool) *Snapshot {
	s := &Snapshot{Settled: settled, Exists: !f.entries[""].gone, Root: f.entries[""].visible(), absences: f.absences}
	s.epoch.Store(f.epoch.Number())
	for path, e := range f.entries {
		if path != "" {
			s.Nodes = append(s.Nodes, e.visible())
		}
	}
	slices.SortFunc(s.Nodes, func(a, b Node) int { return strings.Compare(a.Path, b.Path) })
	return s
}

func (e *entry) visible() Node {
	n := e.node
	n.Err = e.data.refused
	if n.Err == nil {
		n.Err = e.list.refused
	}
	return n
}
