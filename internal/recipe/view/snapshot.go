package view

import (
	"bytes"
	"iter"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/zkrecipes/zkrecipes/session"
)

// Node is a node as it was last read. It must not be changed.
type Node struct {
	// Path is relative to the node that the view follows: "a", or "a/b" further
	// down, and "" for the followed node itself.
	Path string
	Data []byte
	// Stat is of the time when Data was read. What it says of the node's own
	// children may be out of date.
	Stat session.Stat
	// Err says why the node cannot be read, or its children not be listed:
	// session.ErrNoAuth as a rule. Data and Stat are then of the last time when it
	// could be, and empty if that was never; of its children, those are shown that
	// could be listed last.
	Err error
}

// Same reports whether nothing has happened to the node between two reads. Zxids
// alone do not tell: they begin again when servers lose their data, and an old
// snapshot that is restored has the same ones on other nodes.
func (n *Node) Same(o *Node) bool {
	return n.Path == o.Path && n.Stat.Czxid == o.Stat.Czxid && n.Stat.Mzxid == o.Stat.Mzxid &&
		n.Stat.Version == o.Stat.Version && n.Stat.Mtime.Equal(o.Stat.Mtime) &&
		(n.Err == nil) == (o.Err == nil) && bytes.Equal(n.Data, o.Data) // quick if it is the same slice
}

// Snapshot is what a view has seen at one time. It is never changed.
type Snapshot struct {
	// Exists says that there is such a node.
	Exists bool
	// Root is the followed node. Its Data is empty unless the view has depth 0.
	Root Node
	// Nodes are those below the root, sorted by their paths.
	Nodes []Node
	// Settled says that this is one state of the tree, as it was at one moment.
	// It may be false only if the view's Patience came to an end.
	Settled  bool
	absences int           // how often the view has found no such node
	epoch    atomic.Uint64 // see Epoch
}

// Epoch is the number of the latest epoch in which this was read. It grows when a
// later session finds nothing changed.
func (s *Snapshot) Epoch() uint64 { return s.epoch.Load() }

// Find returns the node of a path relative to the root.
func (s *Snapshot) Find(path string) (Node, bool) {
	i, ok := slices.BinarySearchFunc(s.Nodes, path, func(n Node, p string) int { return strings.Compare(n.Path, p) })
	if !ok {
		return Node{}, false
	}
	return s.Nodes[i], true
}

// Err is nil if every node could be read, and else the error of the first that
// could not.
func (s *Snapshot) Err() error {
	if s.Root.Err != nil {
		return s.Root.Err
	}
	for i := range s.Nodes {
		if s.Nodes[i].Err != nil {
			return s.Nodes[i].Err
		}
	}
	return nil
}

// Diff returns which nodes have come, gone and changed since old, which may be
// nil, each sorted by path. A node that was deleted and created anew has changed,
// even if its data is the same.
func (s *Snapshot) Diff(old *Snapshot) (added, removed, changed []Node) {
	if old == nil {
		old = &Snapshot{}
	}
	for was, is := range merge(old.Nodes, s.Nodes) {
		switch {
		case was == nil:
			added = append(added, *is)
		case is == nil:
			removed = append(removed, *was)
		case !was.Same(is):
			changed = append(changed, *is)
		}
	}
	return added, removed, changed
}

// merge yields the nodes of two sorted lists side by side; nil where one has none
// of that path.
func merge(a, b []Node) iter.Seq2[*Node, *Node] {
	return func(yield func(*Node, *Node) bool) {
		for len(a) > 0 || len(b) > 0 {
			var was, is *Node
			order := 0
			switch {
			case len(a) == 0:
				order = 1
			case len(b) == 0:
				order = -1
			default:
				order = strings.Compare(a[0].Path, b[0].Path)
			}
			if order <= 0 {
				was, a = &a[0], a[1:]
			}
			if order >= 0 {
				is, b = &b[0], b[1:]
			}
			if !yield(was, is) {
				return
			}
		}
	}
}

// children are the names of the children of a node.
func (s *Snapshot) children(path string) (names []string) {
	if s == nil {
		return nil
	}
	for i := range s.Nodes {
		if above, name := parent(s.Nodes[i].Path); above == path {
			names = append(names, name)
		}
	}
	return names
}

// equal tells whether two snapshots show the same.
func (s *Snapshot) equal(o *Snapshot) bool {
	if s.Settled != o.Settled || s.Exists != o.Exists || s.absences != o.absences || !s.Root.Same(&o.Root) {
		return false
	}
	return slices.EqualFunc(s.Nodes, o.Nodes, func(a, b Node) bool { return a.Same(&b) })
}
