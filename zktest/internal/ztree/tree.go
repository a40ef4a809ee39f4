package ztree

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// A Tree holds the nodes of a server. It is not safe for concurrent use.
type Tree struct {
	nodes      map[string]*Node   // by path; the root as "" and as "/"
	ephemerals map[int64]*hashSet // paths by session
	containers map[string]*Node
	ttls       map[string]*Node
	quotas     map[string]bool // paths that have a quota
	size       int             // bytes of all paths and data
}

// OpenACL grants all permissions to everybody.
var OpenACL = []wire.ACL{{Perms: wire.PermAll, Scheme: "world", ID: "anyone"}}

var readOnlyACL = []wire.ACL{{Perms: wire.PermRead, Scheme: "world", ID: "anyone"}}

// New returns a tree with the nodes that every server has from its start. No
// transaction has created them.
func New() *Tree {
	t := &Tree{
		nodes:      make(map[string]*Node),
		ephemerals: make(map[int64]*hashSet),
		containers: make(map[string]*Node),
		ttls:       make(map[string]*Node),
		quotas:     make(map[string]bool),
	}
	for _, path := range []string{"", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"} {
		t.nodes[path] = &Node{data: []byte{}, acl: OpenACL}
		if parent, ok := parentOf(path); ok {
			t.nodes[parent].addChild(nameOf(path))
		}
	}
	t.nodes["/"] = t.nodes[""]
	for path := range t.nodes {
		t.size += len(path)
	}
	config := t.nodes["/zookeeper/config"]
	config.acl, config.aversion = readOnlyACL, -1
	return t
}

// permanent reports whether the server refuses to delete the node.
func permanent(path string) bool {
	switch path {
	case "/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config":
		return true
	}
	return false
}

// Node returns the node at path, or nil if there is none. The root is at "/" and at "".
func (t *Tree) Node(path string) *Node { return t.nodes[path] }

// All returns the nodes sorted by path. The root is among them once, with the path "".
func (t *Tree) All() iter.Seq2[string, *Node] {
	return func(yield func(string, *Node) bool) {
		for _, path := range slices.Sorted(maps.Keys(t.nodes)) {
			if path != "/" && !yield(path, t.nodes[path]) {
				return
			}
		}
	}
}

// Len returns the number of nodes as the server reports it: the root counts twice.
func (t *Tree) Len() int { return len(t.nodes) }

// Size returns the number of bytes of all paths and data.
func (t *Tree) Size() int { return t.size }

// Descendants returns the number of nodes below path.
func (t *Tree) Descendants(path string) int {
	if path == "/" {
		return len(t.nodes) - 2
	}
	n := 0
	for p := range t.nodes {
		if strings.HasPrefix(p, path+"/") {
			n++
		}
	}
	return n
}

// EphemeralOwners returns the sessions that have created ephemeral nodes, sorted. A
// session stays in the list until it ends, also if its nodes have been deleted.
func (t *Tree) EphemeralOwners() []int64 { return slices.Sorted(maps.Keys(t.ephemerals)) }

// Ephemerals returns the paths of a session's ephemeral nodes in the server's order.
func (t *Tree) Ephemerals(session int64) []string {
	if set := t.ephemerals[session]; set != nil {
		return set.cloneList()
	}
	return nil
}

// EphemeralCount returns the number of ephemeral nodes.
func (t *Tree) EphemeralCount() int {
	n := 0
	for _, set := range t.ephemerals {
		n += set.len()
	}
	return n
}

// HasExpirable reports whether there are containers or nodes with a time to live.
func (t *Tree) HasExpirable() bool { return len(t.containers)+len(t.ttls) > 0 }

// Expired returns the paths of the nodes that the server has to delete: containers that
// have had children and have none left, and nodes without children that have not been
// changed for longer than their time to live. now is in milliseconds since 1970.
func (t *Tree) Expired(now int64) []string {
	var paths []string
	for _, path := range slices.Sorted(maps.Keys(t.containers)) {
		if n := t.containers[path]; n.creates > 0 && n.children.len() == 0 {
			paths = append(paths, path)
		}
	}
	for _, path := range slices.Sorted(maps.Keys(t.ttls)) {
		n := t.ttls[path]
		if n.children.len() == 0 && now-n.mtime > n.TTL() {
			paths = append(paths, path)
		}
	}
	return paths
}

// SetSequence sets the number that the next sequential child of path gets. It does
// nothing if there is no such node.
//
// If wraps is true, -2147483648 follows 2147483647. Otherwise the number stays at
// 2147483647, and if burst is greater than 0, the children are numbered as if that many
// creates at a time were in flight.
func (t *Tree) SetSequence(path string, next int32, wraps bool, burst uint8) {
	if n := t.nodes[path]; n != nil {
		n.creates, n.wraps, n.burst, n.inBurst = next, wraps, burst, 0
	}
}

// Clone returns a copy of the tree. The two share data and ACLs, which are not changed
// in place.
func (t *Tree) Clone() *Tree {
	c := &Tree{
		nodes:      make(map[string]*Node, len(t.nodes)),
		ephemerals: make(map[int64]*hashSet, len(t.ephemerals)),
		containers: make(map[string]*Node, len(t.containers)),
		ttls:       make(map[string]*Node, len(t.ttls)),
		quotas:     maps.Clone(t.quotas),
		size:       t.size,
	}
	for path, n := range t.nodes {
		if path == "/" {
			continue // the same node as ""
		}
		m := *n
		m.children = n.children.clone()
		c.nodes[path] = &m
	}
	c.nodes["/"] = c.nodes[""]
	for id, set := range t.ephemerals {
		c.ephemerals[id] = set.clone()
	}
	for path := range t.containers {
		c.containers[path] = c.nodes[path]
	}
	for path := range t.ttls {
		c.ttls[path] = c.nodes[path]
	}
	return c
}

// insert adds a new node to its parent's children and to the indexes.
func (t *Tree) insert(path string, n *Node) {
	parent, _ := parentOf(path)
	t.nodes[parent].addChild(nameOf(path))
	t.nodes[path] = n
	t.size += len(path) + len(n.data)
	switch {
	case n.IsContainer():
		t.containers[path] = n
	case n.TTL() != 0:
		t.ttls[path] = n
	case n.owner != 0:
		set := t.ephemerals[n.owner]
		if set == nil {
			set = newHashSet(ephemeralBuckets)
			t.ephemerals[n.owner] = set
		}
		set.add(path)
	}
}

// write changes the data of a node that is in the tree.
func (t *Tree) write(n *Node, data []byte) {
	t.size += len(data) - len(n.data)
	n.data = data
}

// remove undoes insert. The set of a session's ephemeral nodes stays until the session
// ends, even if it is empty.
func (t *Tree) remove(path string) {
	n := t.nodes[path]
	parent, _ := parentOf(path)
	t.nodes[parent].children.remove(nameOf(path))
	delete(t.nodes, path)
	t.size -= len(path) + len(n.data)
	delete(t.containers, path)
	delete(t.ttls, path)
	if set := t.ephemerals[n.Session()]; set != nil {
		set.remove(path)
	}
}

// checkpointEphemeral returns a function that restores the order of a session's nodes
// after path has been created or deleted.
func (t *Tree) checkpointEphemeral(session int64, path string) (restore func()) {
	set := t.ephemerals[session]
	if set == nil {
		return func() { delete(t.ephemerals, session) }
	}
	cp := set.checkpoint(path)
	return func() { set.restore(cp) }
}
