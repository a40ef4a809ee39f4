package view

import (
	"bytes"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/zkrecipes/zkrecipes/session"
)

// Node is a node as it was last read. Callers must not modify it.
type Node struct {
	// Path is relative to the node that the view follows: "a", or "a/b" further
	// down, and "" for the followed node itself.
	Path string
	Data []byte
	// Stat is the stat that was read with Data. Its fields about the node's children
	// may be out of date.
	Stat session.Stat
	// Err is why the node cannot be read or its children cannot be listed, usually
	// session.ErrNoAuth. Data, Stat and children are then those of the last
	// successful reads, or empty if there were none.
	Err error
}

// Same reports whether the node did not change between two reads. Zxids alone do not
// show that: they begin again when servers lose their data, and after a restore
// other transactions get the same zxids.
func (n *Node) Same(o *Node) bool {
	return n.Path == o.Path && n.Stat.Czxid == o.Stat.Czxid && n.Stat.Mzxid == o.Stat.Mzxid &&
		n.Stat.Version == o.Stat.Version && n.Stat.Mtime.Equal(o.Stat.Mtime) &&
		(n.Err == nil) == (o.Err == nil) && bytes.Equal(n.Data, o.Data) // quick if it is the same slice
}

// Snapshot is an immutable copy of what a view knew at one moment.
type Snapshot struct {
	// Exists is true if the followed node exists.
	Exists bool
	// Root is the followed node. Its Data is empty unless the view has depth 0.
	Root Node
	// Nodes are the nodes below the root, sorted by path.
	Nodes []Node
	// Settled is true if this is the state of the tree at one moment. It can be false
	// only after the view's Patience.
	Settled  bool
	absences int           // how often the view has found that the root does not exist
	epoch    atomic.Uint64 // see Epoch
}

// Epoch is the number of the latest epoch in which this state was read. It grows if
// a later epoch reads the same state.
func (s *Snapshot) Epoch() uint64 { return s.epoch.Load() }

// Find returns the node of a path relative to the root.
func (s *Snapshot) Find(path string) (Node, bool) {
	i, ok := slices.BinarySearchFunc(s.Nodes, path, func(n Node, p string) int { return strings.Compare(n.Path, p) })
	if !ok {
		return Node{}, false
	}
	return s.Nodes[i], true
}

// Err returns the error of the first node that could not be read, or nil.
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

// children returns the names of the children of the node at path.
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

// equal reports whether two snapshots show the same state.
func (s *Snapshot) equal(o *Snapshot) bool {
	if s.Settled != o.Settled || s.Exists != o.Exists || s.absences != o.absences || !s.Root.Same(&o.Root) {
		return false
	}
	return slices.EqualFunc(s.Nodes, o.Nodes, func(a, b Node) bool { return a.Same(&b) })
}
