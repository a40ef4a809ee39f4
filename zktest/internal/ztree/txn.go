package ztree

import (
	"fmt"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// A Txn is one transaction on a tree. Set its exported fields before the first change.
//
// Each change either succeeds, or returns an error code and has changed nothing. If
// Atomic is set, Rollback undoes the changes so far, for a transaction of several
// operations of which one has failed.
type Txn struct {
	Zxid    int64
	Now     int64 // milliseconds since 1970
	Session int64 // that creates ephemeral nodes
	IDs     []AuthID
	Old     bool // as ZooKeeper 3.8
	Atomic  bool // the transaction has several operations

	tree     *Tree
	triggers []Trigger
	creates  map[*Node]int32 // children created, if Atomic: it exceeds 2147483647 where Node.creates does not
	undo     []func()
}

// A Trigger is a change of a node for which watches may have to be notified.
type Trigger struct {
	Path     string
	Event    int32
	ACL      []wire.ACL // of the node: only clients that may read it are notified
	Children bool       // notifies the watches of the node's children, otherwise those of the node
	Both     bool       // notifies both kinds, and a client with both kinds once
}

// NewTxn returns a transaction on tree.
func NewTxn(tree *Tree) *Txn { return &Txn{tree: tree} }

// Tree returns the tree that the transaction changes.
func (t *Txn) Tree() *Tree { return t.tree }

// On returns a transaction with the same parameters on a tree, and with no changes yet.
func (t *Txn) On(tree *Tree) *Txn {
	return &Txn{
		Zxid: t.Zxid, Now: t.Now, Session: t.Session, IDs: t.IDs, Old: t.Old, Atomic: t.Atomic, tree: tree,
	}
}

// Triggers returns the changes so far, in order.
func (t *Txn) Triggers() []Trigger { return t.triggers }

// Apply applies one operation. body is the body of its request.
func (t *Txn) Apply(op wire.Op, body wire.Record) (wire.MultiResult, wire.Code) {
	res := wire.MultiResult{Op: op}
	var n *Node
	var code wire.Code
	switch r := body.(type) {
	case *wire.CreateRequest:
		res.Path, n, code = t.create(op, r)
	case *wire.SetDataRequest:
		n, code = t.setData(r.Path, r.Data, r.Version)
	case *wire.SetACLRequest:
		n, code = t.setACL(r.Path, r.ACL, r.Version)
	case *wire.PathVersion:
		if op == wire.OpDelete {
			code = t.delete(r.Path, r.Version)
		} else {
			code = t.check(r.Path, r.Version)
		}
	case *wire.Path:
		code = t.DeleteContainer(r.Path)
	}
	if n != nil {
		res.Stat = n.Stat()
	}
	return res, code
}

// Rollback undoes all changes of an Atomic transaction and removes its triggers.
func (t *Txn) Rollback() {
	for i := len(t.undo) - 1; i >= 0; i-- {
		t.undo[i]()
	}
	t.undo, t.triggers = nil, nil
}

func (t *Txn) onRollback(undo func()) {
	if t.Atomic {
		t.undo = append(t.undo, undo)
	}
}

// saveNode saves the fields of a node, except its children, for Rollback.
func (t *Txn) saveNode(n *Node) {
	if t.Atomic {
		was := *n
		t.undo = append(t.undo, func() {
			was.children = n.children
			t.tree.write(n, was.data)
			*n = was
		})
	}
}

func (t *Txn) nodeChanged(path string, event int32, acl []wire.ACL) {
	t.triggers = append(t.triggers, Trigger{Path: path, Event: event, ACL: acl})
}

func (t *Txn) childrenChanged(parent string, acl []wire.ACL) {
	t.triggers = append(t.triggers, Trigger{
		Path: WatchPath(parent), Event: wire.EventChildrenChanged, ACL: acl, Children: true,
	})
}

// create creates a node and returns its path, with the sequence number if it has one.
// The checks are in the server's order, which decides which of two errors a client gets.
func (t *Txn) create(op wire.Op, r *wire.CreateRequest) (string, *Node, wire.Code) {
	owner, code := t.ownerOf(op, r)
	if code != wire.OK {
		return "", nil, code
	}
	path := r.Path
	parentPath, ok := parentOf(path)
	if !ok {
		return "", nil, wire.CodeBadArguments
	}
	acl, ok := fixACL(r.ACL, t.IDs, t.Old)
	if !ok {
		return "", nil, wire.CodeInvalidACL
	}
	parent := t.tree.nodes[parentPath]
	if parent == nil {
		return "", nil, wire.CodeNoNode
	}
	if !Permitted(parent.acl, wire.PermCreate, t.IDs) {
		return "", nil, wire.CodeNoAuth
	}
	if sequential(r.Flags) {
		path += fmt.Sprintf("%010d", t.created(parent))
	}
	if !validPath(path) {
		return "", nil, wire.CodeBadArguments
	}
	if t.tree.nodes[path] != nil {
		return "", nil, wire.CodeNodeExists
	}
	if parent.Session() != 0 {
		return "", nil, wire.CodeNoChildrenForEphemeral
	}
	t.saveNode(parent)
	cp := parent.children.checkpoint(nameOf(path))
	restoreOrder := t.tree.checkpointEphemeral(owner, path)
	n := &Node{
		data: r.Data, acl: acl, owner: owner,
		czxid: t.Zxid, mzxid: t.Zxid, pzxid: t.Zxid, ctime: t.Now, mtime: t.Now,
	}
	t.tree.insert(path, n)
	t.countChild(parent)
	if t.Atomic {
		t.undo = append(t.undo, func() {
			t.tree.remove(path)
			parent.children.restore(cp)
			restoreOrder()
		})
	}
	t.countQuota(path, 1, len(n.data))
	t.nodeChanged(path, wire.EventCreated, acl)
	t.childrenChanged(parentPath, parent.acl)
	return path, n, wire.OK
}

// created returns how many children of a node have been created, counted past the end
// within an Atomic transaction.
func (t *Txn) created(parent *Node) int32 {
	if n, ok := t.creates[parent]; ok {
		return n
	}
	return parent.creates + int32(parent.inBurst)
}

// countChild counts a created child. The server stores a count only if it is greater
// than the last one, so the count stays at 2147483647, and with it the zxid of the last
// change of the children. Within a transaction it counts on.
func (t *Txn) countChild(parent *Node) {
	n := t.created(parent) + 1
	if t.Atomic {
		if t.creates == nil {
			t.creates = make(map[*Node]int32)
		}
		t.creates[parent] = n
	}
	if n > parent.creates || parent.wraps {
		parent.creates, parent.pzxid = n, t.Zxid
	}
	if parent.burst > 0 {
		parent.inBurst = (parent.inBurst + 1) % parent.burst
	}
}

func sequential(flags int32) bool {
	return flags == wire.FlagSequential || flags == wire.FlagEphemeralSequential ||
		flags == wire.FlagPersistentSequentialTTL
}

// ownerOf returns the owner of a node to create. The operation decides on the kind of
// the node, and the flags must agree with the time to live: create with the flag of a
// container creates an ordinary node.
func (t *Txn) ownerOf(op wire.Op, r *wire.CreateRequest) (int64, wire.Code) {
	switch r.Flags {
	case wire.FlagTTL, wire.FlagPersistentSequentialTTL:
		if op != wire.OpCreateTTL || r.TTL <= 0 || r.TTL > ttlMax {
			return 0, wire.CodeBadArguments
		}
		return ttlOwner | r.TTL, wire.OK
	case wire.FlagPersistent, wire.FlagSequential, wire.FlagContainer,
		wire.FlagEphemeral, wire.FlagEphemeralSequential:
		if op == wire.OpCreateTTL {
			return 0, wire.CodeBadArguments
		}
	default:
		return 0, wire.CodeBadArguments
	}
	switch {
	case op == wire.OpCreateContainer:
		return containerOwner, wire.OK
	case r.Flags == wire.FlagEphemeral || r.Flags == wire.FlagEphemeralSequential:
		return t.Session, wire.OK
	}
	return 0, wire.OK
}

func (t *Txn) delete(path string, version int32) wire.Code {
	parentPath, ok := parentOf(path)
	if !ok || permanent(path) {
		return wire.CodeBadArguments
	}
	parent := t.tree.nodes[parentPath]
	if parent == nil {
		return wire.CodeNoNode
	}
	if !Permitted(parent.acl, wire.PermDelete, t.IDs) {
		return wire.CodeNoAuth
	}
	n := t.tree.nodes[path]
	switch {
	case n == nil:
		return wire.CodeNoNode
	case version != -1 && version != n.version:
		return wire.CodeBadVersion
	case n.children.len() > 0:
		return wire.CodeNotEmpty
	}
	t.deleteNode(path, n)
	return wire.OK
}

// DeleteContainer deletes a container or a node whose time to live is over, unless it
// has children.
func (t *Txn) DeleteContainer(path string) wire.Code {
	if _, ok := parentOf(path); !ok || permanent(path) {
		return wire.CodeBadArguments
	}
	n := t.tree.nodes[path]
	switch {
	case n == nil:
		return wire.CodeNoNode
	case n.children.len() > 0:
		return wire.CodeNotEmpty
	case n.Session() != 0:
		return wire.CodeBadVersion
	}
	t.deleteNode(path, n)
	return wire.OK
}

func (t *Txn) deleteNode(path string, n *Node) {
	parentPath, _ := parentOf(path)
	parent := t.tree.nodes[parentPath]
	t.saveNode(parent)
	cp := parent.children.checkpoint(nameOf(path))
	restoreOrder := t.tree.checkpointEphemeral(n.Session(), path)
	t.tree.remove(path)
	parent.pzxid = t.Zxid
	if t.Atomic {
		t.undo = append(t.undo, func() {
			t.tree.insert(path, n)
			parent.children.restore(cp)
			restoreOrder()
		})
	}
	t.countQuota(path, -1, -len(n.data))
	t.triggers = append(t.triggers, Trigger{Path: path, Event: wire.EventDeleted, ACL: n.acl, Both: true})
	t.childrenChanged(parentPath, parent.acl)
}

func (t *Txn) setData(path string, data []byte, version int32) (*Node, wire.Code) {
	n, code := t.permittedNode(path, wire.PermWrite)
	if code != wire.OK {
		return nil, code
	}
	if version != -1 && version != n.version {
		return nil, wire.CodeBadVersion
	}
	t.saveNode(n)
	grown := len(data) - len(n.data)
	t.tree.write(n, data)
	n.mtime, n.mzxid, n.version = t.Now, t.Zxid, nextVersion(n.version)
	t.countQuota(path, 0, grown)
	t.nodeChanged(path, wire.EventDataChanged, n.acl)
	return n, wire.OK
}

func (t *Txn) setACL(path string, acl []wire.ACL, version int32) (*Node, wire.Code) {
	if !validPath(path) {
		return nil, wire.CodeBadArguments
	}
	acl, ok := fixACL(acl, t.IDs, t.Old)
	if !ok {
		return nil, wire.CodeInvalidACL
	}
	n, code := t.permittedNode(path, wire.PermAdmin)
	if code != wire.OK {
		return nil, code
	}
	if version != -1 && version != n.aversion {
		return nil, wire.CodeBadVersion
	}
	n.acl, n.aversion = acl, nextVersion(n.aversion)
	return n, wire.OK
}

func (t *Txn) check(path string, version int32) wire.Code {
	n, code := t.permittedNode(path, wire.PermRead)
	if code == wire.OK && version != -1 && version != n.version {
		return wire.CodeBadVersion
	}
	return code
}

// permittedNode returns the node of an operation, if the transaction has the permission.
func (t *Txn) permittedNode(path string, perm int32) (*Node, wire.Code) {
	if !validPath(path) {
		return nil, wire.CodeBadArguments
	}
	n := t.tree.nodes[path]
	if n == nil {
		return nil, wire.CodeNoNode
	}
	if !Permitted(n.acl, perm, t.IDs) {
		return nil, wire.CodeNoAuth
	}
	return n, wire.OK
}

// nextVersion skips -1, which as an expected version matches every version.
func nextVersion(v int32) int32 {
	if v == -2 {
		return 0
	}
	return v + 1
}

// CloseSession deletes the ephemeral nodes of a session.
func (t *Txn) CloseSession(id int64) {
	set := t.tree.ephemerals[id]
	if set == nil {
		return
	}
	for _, path := range set.cloneList() {
		t.deleteNode(path, t.tree.nodes[path])
	}
	delete(t.tree.ephemerals, id)
}
