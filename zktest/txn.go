package zktest

import (
	"fmt"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// A txn is one transaction on a tree. Each of its methods either does what it
// says or returns a code and has changed nothing; a transaction of several
// steps, one of which failed, is taken back with rollback.
type txn struct {
	*tree
	zxid     int64
	now      int64 // milliseconds since 1970
	session  int64
	ids      []authID
	old      bool            // ZooKeeper 3.8
	triggers []trigger       // what has happened, for the watches
	counts   map[*node]int32 // of a transaction of several steps: children created, the end disregarded
	revert   bool            // keep what rollback needs
	undo     []func()
}

// A trigger is something that happened to a node, for those who watch it and
// may read it.
type trigger struct {
	path     string
	event    int32
	acl      []wire.ACL
	children bool // of those who watch the children; otherwise the node
	both     bool // of either, and who watches both hears it once
}

func (t *txn) happened(path string, event int32, acl []wire.ACL) {
	t.triggers = append(t.triggers, trigger{path: path, event: event, acl: acl})
}

func (t *txn) childrenChanged(parent string, acl []wire.ACL) {
	t.triggers = append(t.triggers, trigger{
		path: watchPath(parent), event: wire.EventChildrenChanged, acl: acl, children: true,
	})
}

func (t *txn) rollback() {
	for i := len(t.undo) - 1; i >= 0; i-- {
		t.undo[i]()
	}
	t.undo, t.triggers = nil, nil
}

// restoring keeps the fields of a node, but for its children, for rollback.
func (t *txn) restoring(n *node) {
	if t.revert {
		was := *n
		t.undo = append(t.undo, func() {
			was.children = n.children
			t.write(n, was.data)
			*n = was
		})
	}
}

// create makes a node and returns its path, with the sequence number if it has
// one. The order of the checks is the server's, for it decides which of two
// complaints a client hears.
func (t *txn) create(op wire.Op, r *wire.CreateRequest) (string, *node, wire.Code) {
	owner, code := t.ownerOf(op, r)
	if code != wire.OK {
		return "", nil, code
	}
	path := r.Path
	parentPath, ok := parentOf(path)
	if !ok {
		return "", nil, wire.CodeBadArguments
	}
	acl, ok := fixACL(r.ACL, t.ids, t.old)
	if !ok {
		return "", nil, wire.CodeInvalidACL
	}
	parent := t.nodes[parentPath]
	if parent == nil {
		return "", nil, wire.CodeNoNode
	}
	if !permitted(parent.acl, wire.PermCreate, t.ids) {
		return "", nil, wire.CodeNoAuth
	}
	if sequential(r.Flags) {
		path += fmt.Sprintf("%010d", t.count(parent))
	}
	if !validPath(path) {
		return "", nil, wire.CodeBadArguments
	}
	if t.nodes[path] != nil {
		return "", nil, wire.CodeNodeExists
	}
	if parent.session() != 0 {
		return "", nil, wire.CodeNoChildrenForEphemeral
	}
	t.restoring(parent)
	was := parent.children.mark(nameOf(path))
	forgotten := t.tree.markEphemeral(owner, path)
	n := &node{
		data: r.Data, acl: acl, owner: owner,
		czxid: t.zxid, mzxid: t.zxid, pzxid: t.zxid, ctime: t.now, mtime: t.now,
	}
	t.insert(path, n)
	t.counted(parent)
	if t.revert {
		t.undo = append(t.undo, func() {
			t.remove(path)
			parent.children.reset(was)
			forgotten()
		})
	}
	t.countQuota(path, 1, len(n.data))
	t.happened(path, wire.EventCreated, acl)
	t.childrenChanged(parentPath, parent.acl)
	return path, n, wire.OK
}

// count is how many children of a node have been created as far as the
// transaction is concerned.
func (t *txn) count(parent *node) int32 {
	if n, ok := t.counts[parent]; ok {
		return n
	}
	return parent.creates + int32(parent.inBurst)
}

// counted counts one more. The server takes over a count only if it is greater
// than the last, so at 2147483647 it sticks, and the zxid of the last change of
// the children with it. Within a transaction the count goes on nevertheless.
func (t *txn) counted(parent *node) {
	n := t.count(parent) + 1
	if t.revert {
		if t.counts == nil {
			t.counts = make(map[*node]int32)
		}
		t.counts[parent] = n
	}
	if n > parent.creates || parent.wraps {
		parent.creates, parent.pzxid = n, t.zxid
	}
	if parent.burst > 0 {
		parent.inBurst = (parent.inBurst + 1) % parent.burst
	}
}

func sequential(flags int32) bool {
	return flags == wire.FlagSequential || flags == wire.FlagEphemeralSequential ||
		flags == wire.FlagPersistentSequentialTTL
}

// ownerOf is the owner of a node to create. The operation decides what becomes
// of the node, and the flags must agree with the time to live: create with the
// flag of a container makes an ordinary node.
func (t *txn) ownerOf(op wire.Op, r *wire.CreateRequest) (int64, wire.Code) {
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
		return t.session, wire.OK
	}
	return 0, wire.OK
}

func (t *txn) delete(path string, version int32) wire.Code {
	parentPath, ok := parentOf(path)
	if !ok || special(path) {
		return wire.CodeBadArguments
	}
	parent := t.nodes[parentPath]
	if parent == nil {
		return wire.CodeNoNode
	}
	if !permitted(parent.acl, wire.PermDelete, t.ids) {
		return wire.CodeNoAuth
	}
	n := t.nodes[path]
	switch {
	case n == nil:
		return wire.CodeNoNode
	case version != -1 && version != n.version:
		return wire.CodeBadVersion
	case n.children.len() > 0:
		return wire.CodeNotEmpty
	}
	t.drop(path, n)
	return wire.OK
}

// deleteContainer removes a node whose time has come, unless it has got
// children since.
func (t *txn) deleteContainer(path string) wire.Code {
	if _, ok := parentOf(path); !ok || special(path) {
		return wire.CodeBadArguments
	}
	n := t.nodes[path]
	switch {
	case n == nil:
		return wire.CodeNoNode
	case n.children.len() > 0:
		return wire.CodeNotEmpty
	case n.session() != 0:
		return wire.CodeBadVersion
	}
	t.drop(path, n)
	return wire.OK
}

func (t *txn) drop(path string, n *node) {
	parentPath, _ := parentOf(path)
	parent := t.nodes[parentPath]
	t.restoring(parent)
	was := parent.children.mark(nameOf(path))
	forgotten := t.tree.markEphemeral(n.session(), path)
	t.remove(path)
	parent.pzxid = t.zxid
	if t.revert {
		t.undo = append(t.undo, func() {
			t.insert(path, n)
			parent.children.reset(was)
			forgotten()
		})
	}
	t.countQuota(path, -1, -len(n.data))
	t.triggers = append(t.triggers, trigger{path: path, event: wire.EventDeleted, acl: n.acl, both: true})
	t.childrenChanged(parentPath, parent.acl)
}

func (t *txn) setData(path string, data []byte, version int32) (*node, wire.Code) {
	n, code := t.change(path, wire.PermWrite)
	if code != wire.OK {
		return nil, code
	}
	if version != -1 && version != n.version {
		return nil, wire.CodeBadVersion
	}
	t.restoring(n)
	grown := len(data) - len(n.data)
	t.write(n, data)
	n.mtime, n.mzxid, n.version = t.now, t.zxid, nextVersion(n.version)
	t.countQuota(path, 0, grown)
	t.happened(path, wire.EventDataChanged, n.acl)
	return n, wire.OK
}

func (t *txn) setACL(path string, acl []wire.ACL, version int32) (*node, wire.Code) {
	if !validPath(path) {
		return nil, wire.CodeBadArguments
	}
	acl, ok := fixACL(acl, t.ids, t.old)
	if !ok {
		return nil, wire.CodeInvalidACL
	}
	n, code := t.change(path, wire.PermAdmin)
	if code != wire.OK {
		return nil, code
	}
	if version != -1 && version != n.aversion {
		return nil, wire.CodeBadVersion
	}
	n.acl, n.aversion = acl, nextVersion(n.aversion)
	return n, wire.OK
}

func (t *txn) check(path string, version int32) wire.Code {
	n, code := t.change(path, wire.PermRead)
	if code == wire.OK && version != -1 && version != n.version {
		return wire.CodeBadVersion
	}
	return code
}

// change finds the node that an operation is about, which must have the
// permission for it.
func (t *txn) change(path string, perm int32) (*node, wire.Code) {
	if !validPath(path) {
		return nil, wire.CodeBadArguments
	}
	n := t.nodes[path]
	if n == nil {
		return nil, wire.CodeNoNode
	}
	if !permitted(n.acl, perm, t.ids) {
		return nil, wire.CodeNoAuth
	}
	return n, wire.OK
}

// nextVersion leaves out -1, which as an expected version means any.
func nextVersion(v int32) int32 {
	if v == -2 {
		return 0
	}
	return v + 1
}

// closeSession removes the ephemeral nodes of a session.
func (t *txn) closeSession(id int64) {
	set := t.ephemerals[id]
	if set == nil {
		return
	}
	for _, path := range set.cloned() {
		t.drop(path, t.nodes[path])
	}
	delete(t.ephemerals, id)
}
