package view

import (
	"slices"
	"strings"

	"github.com/zkrecipes/zkrecipes/session"
)

// entry is one node that is followed.
type entry struct {
	path  string // relative to the root
	depth int
	node  Node     // as last read
	gone  bool     // there is no such node: of the root only
	names []string // of the children that are followed, sorted
	data  leg      // the node's own data
	list  leg      // its children
}

// leg is one of the two things that can be followed of a node.
type leg struct {
	wanted  bool
	watch   *session.Watch // nil once it has fired
	late    bool           // it is out of date although its watch has not fired
	refused error          // a server does not let it be read
}

// due tells whether a leg is to be read.
func (l *leg) due() bool { return l.wanted && (l.watch == nil || l.late) && l.refused == nil }

// look notes whether the leg is out of date, and tells whether that is because the
// node has gone.
func (l *leg) look() (deleted bool) {
	if l.watch == nil {
		return false
	}
	select {
	case <-l.watch.Fired():
		deleted = l.watch.Deleted()
		l.watch, l.late = nil, false
	default:
	}
	return deleted
}

// keep follows the leg by w from now on. What it was followed by is closed only
// now, so that the server does not forget in between what it is to watch again.
func (l *leg) keep(w *session.Watch) {
	l.drop()
	l.watch = w
}

func (l *leg) drop() {
	if l.watch != nil {
		l.watch.Close()
	}
	l.watch, l.late = nil, false
}

// abs is the path of an entry in the session.
func (f *follower) abs(path string) string {
	if path == "" {
		return f.view.path
	}
	return session.Join(f.view.path, path)
}

// below is the relative path of a child.
func below(parent, name string) string {
	if parent == "" {
		return name
	}
	return parent + "/" + name
}

func (f *follower) add(path string, depth int) {
	limit := f.view.opts.Depth
	e := &entry{path: path, depth: depth, node: f.known(path)}
	e.data.wanted = depth > 0 || limit == 0
	e.list.wanted = limit < 0 || depth < limit
	f.entries[path] = e
}

// known is a node as the view showed it last.
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

// remove forgets a node and what is below it.
func (f *follower) remove(path string) {
	e := f.entries[path]
	if e == nil {
		return
	}
	for _, name := range e.names {
		f.remove(below(path, name))
	}
	e.data.drop()
	e.list.drop()
	delete(f.entries, path)
}

// children makes names the children of an entry.
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

// refused tells whether there is anything that a server does not let be read.
func (f *follower) refused() bool {
	for _, e := range f.entries {
		if e.data.refused != nil || e.list.refused != nil {
			return true
		}
	}
	return false
}

// ask has everything be read again that a server has refused.
func (f *follower) ask() {
	for _, e := range f.entries {
		e.data.refused, e.list.refused = nil, nil
	}
}

// stale takes note of the watches that have fired, and tells whether anything is
// to be read.
func (f *follower) stale() bool {
	for _, e := range f.entries {
		e.list.look()
		if e.data.look() && e.path != "" {
			f.vanished(e) // there is nothing to read any more
		}
	}
	any := false
	for _, e := range f.entries {
		any = any || e.data.due() || e.list.due()
	}
	return any
}

// drop ends all watches.
func (f *follower) drop() {
	for _, e := range f.entries {
		e.data.drop()
		e.list.drop()
	}
}

// snapshot collects what has been read.
func (f *follower) snapshot(settled bool) *Snapshot {
	s := &Snapshot{Settled: settled, Exists: !f.entries[""].gone, Root: f.entries[""].shown(), absences: f.absences}
	s.epoch.Store(f.epoch.Number())
	for path, e := range f.entries {
		if path != "" {
			s.Nodes = append(s.Nodes, e.shown())
		}
	}
	slices.SortFunc(s.Nodes, func(a, b Node) int { return strings.Compare(a.Path, b.Path) })
	return s
}

func (e *entry) shown() Node {
	n := e.node
	n.Err = e.data.refused
	if n.Err == nil {
		n.Err = e.list.refused
	}
	return n
}
