package ztree

import (
	"fmt"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// A SavedNode is a node as it is stored in a file.
type SavedNode struct {
	Path                string
	Data                []byte
	ACL                 []wire.ACL
	Czxid, Mzxid, Pzxid int64
	Ctime, Mtime        int64
	Version, Aversion   int32
	Creates             int32 `json:",omitempty"`
	Wraps               bool  `json:",omitempty"`
	Owner               int64 `json:",omitempty"`
}

// Save returns all nodes. Parents precede their children.
func (t *Tree) Save() []SavedNode {
	var saved []SavedNode
	for path, n := range t.All() {
		saved = append(saved, SavedNode{path, n.data, n.acl, n.czxid, n.mzxid, n.pzxid, n.ctime, n.mtime,
			n.version, n.aversion, n.creates, n.wraps, n.owner})
	}
	return saved
}

// Restore adds a saved node. If the tree has a node of that path already, which every
// tree has from the start, it is overwritten.
func (t *Tree) Restore(saved SavedNode) error {
	n := t.nodes[saved.Path]
	if n == nil {
		parent, ok := parentOf(saved.Path)
		if !ok || t.nodes[parent] == nil || !validPath(saved.Path) {
			return fmt.Errorf("node %q has no parent or an invalid path", saved.Path)
		}
		n = &Node{owner: saved.Owner}
		if root, name, ok := quotaOf(saved.Path); ok && name == limitsNode {
			t.setQuota(root, true)
		}
		t.insert(saved.Path, n)
	}
	t.write(n, saved.Data)
	n.acl = saved.ACL
	n.czxid, n.mzxid, n.pzxid, n.ctime, n.mtime = saved.Czxid, saved.Mzxid, saved.Pzxid, saved.Ctime, saved.Mtime
	n.version, n.aversion, n.creates, n.wraps = saved.Version, saved.Aversion, saved.Creates, saved.Wraps
	return nil
}
