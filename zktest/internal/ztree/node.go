package ztree

import (
	"math"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// The values of Node.owner that do not stand for a session.
const (
	containerOwner = math.MinInt64
	ttlOwner       = -1 << 56 // the low 40 bits are the time to live in milliseconds
	ttlMax         = 1<<40 - 1
)

// A Node is one znode. Callers must not change what its methods return.
type Node struct {
	data     []byte
	acl      []wire.ACL
	children *hashSet // nil if there are none

	czxid, mzxid, pzxid int64
	ctime, mtime        int64
	version, aversion   int32
	creates             int32 // children ever created: the next sequence number
	wraps               bool  // creates wraps around after 2147483647
	burst, inBurst      uint8 // see SetSequence
	owner               int64
}

// Data returns the node's data.
func (n *Node) Data() []byte { return n.data }

// ACL returns the node's ACL.
func (n *Node) ACL() []wire.ACL { return n.acl }

// Children returns the names of the node's children in the server's order.
func (n *Node) Children() []string { return n.children.list() }

// Stat returns the node's Stat. Its EphemeralOwner is 0 for containers and for nodes
// with a time to live. Its Cversion counts creations and deletions of children; the
// number of deletions is that of the creations less that of the children.
func (n *Node) Stat() wire.Stat {
	children := int32(n.children.len())
	return wire.Stat{
		Czxid: n.czxid, Mzxid: n.mzxid, Pzxid: n.pzxid,
		Ctime: n.ctime, Mtime: n.mtime,
		Version: n.version, Cversion: n.creates*2 - children, Aversion: n.aversion,
		EphemeralOwner: n.Session(),
		DataLength:     int32(len(n.data)), NumChildren: children,
	}
}

// Version returns the version of the node's data.
func (n *Node) Version() int32 { return n.version }

// IsContainer reports whether the node is a container.
func (n *Node) IsContainer() bool { return n.owner == containerOwner }

// TTL returns the node's time to live in milliseconds, or 0 if it has none.
func (n *Node) TTL() int64 {
	if n.owner < 0 && n.owner>>56 == -1 {
		return n.owner & ttlMax
	}
	return 0
}

// Session returns the session that owns the node, or 0 if the node is not ephemeral.
func (n *Node) Session() int64 {
	if n.owner == containerOwner || n.TTL() != 0 {
		return 0
	}
	return n.owner
}

func (n *Node) addChild(name string) {
	if n.children == nil {
		n.children = newHashSet(childBuckets)
	}
	n.children.add(name)
}
