package zktest

import (
	"math"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// The owners in a Stat that stand for no session.
const (
	containerOwner = math.MinInt64
	ttlOwner       = -1 << 56 // the time to live, in milliseconds, in the low 40 bits
	ttlMax         = 1<<40 - 1
)

// node is one znode.
type node struct {
	data     []byte
	acl      []wire.ACL
	children *hashSet // nil while there are none

	czxid, mzxid, pzxid int64
	ctime, mtime        int64
	version, aversion   int32
	creates             int32 // children ever created: the next sequence number
	wraps               bool  // creates goes on past its end
	burst, inBurst      uint8 // see EndSequenceInBursts
	owner               int64
}

// stat is what clients are told: of owners only sessions. The version of the
// children counts creations and deletions, the latter being the creations of
// children that are not there.
func (n *node) stat() wire.Stat {
	children := int32(n.children.len())
	return wire.Stat{
		Czxid: n.czxid, Mzxid: n.mzxid, Pzxid: n.pzxid,
		Ctime: n.ctime, Mtime: n.mtime,
		Version: n.version, Cversion: n.creates*2 - children, Aversion: n.aversion,
		EphemeralOwner: n.session(),
		DataLength:     int32(len(n.data)), NumChildren: children,
	}
}

func (n *node) addChild(name string) {
	if n.children == nil {
		n.children = newHashSet(childBuckets)
	}
	n.children.add(name)
}

// ttl is the time to live in milliseconds, 0 for none.
func (n *node) ttl() int64 {
	if n.owner < 0 && n.owner>>56 == -1 {
		return n.owner & ttlMax
	}
	return 0
}

// session is the session that the node is gone with, 0 for none.
func (n *node) session() int64 {
	if n.owner == containerOwner || n.ttl() != 0 {
		return 0
	}
	return n.owner
}

// A tree is the data that a server keeps. It knows nothing of connections and
// is not safe for concurrent use.
type tree struct {
	nodes      map[string]*node   // by full path; the root as "" and as "/"
	ephemerals map[int64]*hashSet // paths by session
	containers map[string]*node
	ttls       map[string]*node
	quotas     map[string]bool // paths that have one
	size       int             // bytes of all paths and data
}

var (
	openACL     = []wire.ACL{{Perms: wire.PermAll, Scheme: "world", ID: "anyone"}}
	readOnlyACL = []wire.ACL{{Perms: wire.PermRead, Scheme: "world", ID: "anyone"}}
)

// newTree has the nodes that every server is born with. They are there
// without ever having been created.
func newTree() *tree {
	t := &tree{
		nodes:      make(map[string]*node),
		ephemerals: make(map[int64]*hashSet),
		containers: make(map[string]*node),
		ttls:       make(map[string]*node),
		quotas:     make(map[string]bool),
	}
	for _, path := range []string{"", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"} {
		t.nodes[path] = &node{data: []byte{}, acl: openACL}
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

// special says whether the server refuses to delete the node.
func special(path string) bool {
	switch path {
	case "/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config":
		return true
	}
	return false
}

// count is the number of nodes as the server reports it: the root twice.
func (t *tree) count() int { return len(t.nodes) }

// insert links a new node to its parent and to whatever it will be gone with.
func (t *tree) insert(path string, n *node) {
	parent, _ := parentOf(path)
	t.nodes[parent].addChild(nameOf(path))
	t.nodes[path] = n
	t.size += len(path) + len(n.data)
	switch {
	case n.owner == containerOwner:
		t.containers[path] = n
	case n.ttl() != 0:
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
func (t *tree) write(n *node, data []byte) {
	t.size += len(data) - len(n.data)
	n.data = data
}

// remove undoes insert. The set of a session's ephemeral nodes stays, even
// empty, until the session ends.
func (t *tree) remove(path string) {
	n := t.nodes[path]
	parent, _ := parentOf(path)
	t.nodes[parent].children.remove(nameOf(path))
	delete(t.nodes, path)
	t.size -= len(path) + len(n.data)
	delete(t.containers, path)
	delete(t.ttls, path)
	if set := t.ephemerals[n.session()]; set != nil {
		set.remove(path)
	}
}

// markEphemeral returns what leaves no trace, in the order of a session's
// nodes, of one that has come or gone since.
func (t *tree) markEphemeral(owner int64, path string) (forget func()) {
	set := t.ephemerals[owner]
	if set == nil {
		return func() { delete(t.ephemerals, owner) }
	}
	was := set.mark(path)
	return func() { set.reset(was) }
}
