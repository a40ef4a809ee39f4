package ztree

import (
	"fmt"
	"strconv"
	"strings"
)

// Quotas are nodes under /zookeeper/quota: for each path with a quota there is one with
// the limits and one in which the server counts, without a transaction. By default a
// server warns when a limit is exceeded and does not enforce it.
const (
	quotaRoot  = "/zookeeper/quota"
	limitsNode = "zookeeper_limits"
	statsNode  = "zookeeper_stats"
)

// quotaOf returns the path to which a node of a quota applies, and the node's name.
func quotaOf(path string) (root, name string, ok bool) {
	parent, ok := parentOf(path)
	if !ok || !strings.HasPrefix(parent, quotaRoot) {
		return "", "", false
	}
	return parent[len(quotaRoot):], nameOf(path), true
}

// nearestQuota returns the path itself, or its nearest ancestor, that has a quota.
func (t *Tree) nearestQuota(path string) (string, bool) {
	for len(t.quotas) > 0 && path != "" {
		if t.quotas[path] {
			return path, true
		}
		path, _ = parentOf(path)
	}
	return "", false
}

// countQuota updates the count of the quota that applies to path, after a node has been
// created (nodes is 1), deleted (-1) or changed (0).
func (t *Txn) countQuota(path string, nodes, bytes int) {
	if root, name, ok := quotaOf(path); ok && nodes != 0 {
		switch {
		case name == limitsNode:
			t.setQuota(root, nodes > 0)
		case name == statsNode && nodes > 0:
			t.recount(root)
		}
	}
	root, ok := t.tree.nearestQuota(path)
	if !ok {
		return
	}
	n := t.tree.nodes[quotaRoot+root+"/"+statsNode]
	if n == nil {
		return
	}
	var hadNodes, hadBytes int
	counted, rest, _ := strings.Cut(string(n.data), "=;")
	if _, err := fmt.Sscanf(counted, "count=%d,bytes=%d", &hadNodes, &hadBytes); err != nil {
		return
	}
	t.saveNode(n)
	data := fmt.Appendf(nil, "count=%d,bytes=%d", hadNodes+nodes, hadBytes+bytes)
	if rest != "" {
		data = append(append(data, "=;"...), rest...)
	}
	t.tree.write(n, data)
}

func (t *Txn) setQuota(root string, limited bool) {
	was := t.tree.quotas[root]
	t.onRollback(func() { t.tree.setQuota(root, was) })
	t.tree.setQuota(root, limited)
}

func (t *Tree) setQuota(root string, limited bool) {
	if limited && root != "" {
		t.quotas[root] = true
	} else {
		delete(t.quotas, root)
	}
}

// recount sets the count of a new quota to the nodes and bytes that exist.
func (t *Txn) recount(root string) {
	nodes, bytes := 0, 0
	for path, n := range t.tree.nodes {
		if path == root || strings.HasPrefix(path, root+"/") {
			nodes++
			bytes += len(n.data)
		}
	}
	n := t.tree.nodes[quotaRoot+root+"/"+statsNode]
	t.saveNode(n)
	t.tree.write(n, []byte("count="+strconv.Itoa(nodes)+",bytes="+strconv.Itoa(bytes)))
}
