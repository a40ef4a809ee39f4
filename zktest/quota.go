package zktest

import (
	"fmt"
	"strconv"
	"strings"
)

// Quotas are nodes under /zookeeper/quota: for each path with a quota there is
// one that says the limits and one in which the server keeps count, without
// a transaction. Servers warn of a limit and do not enforce it, unless told to.
const (
	quotaRoot  = "/zookeeper/quota"
	limitsNode = "zookeeper_limits"
	statsNode  = "zookeeper_stats"
)

// quotaOf is the path that a quota's node is about.
func quotaOf(path string) (about, name string, ok bool) {
	parent, ok := parentOf(path)
	if !ok || !strings.HasPrefix(parent, quotaRoot) {
		return "", "", false
	}
	return parent[len(quotaRoot):], nameOf(path), true
}

// limited is the longest path above or at this one that has a quota.
func (t *tree) limited(path string) (string, bool) {
	for len(t.quotas) > 0 && path != "" {
		if t.quotas[path] {
			return path, true
		}
		path, _ = parentOf(path)
	}
	return "", false
}

// countQuota keeps the count of quotas after a node has come (1), gone (-1) or
// changed (0), by so many bytes.
func (t *txn) countQuota(path string, nodes, bytes int) {
	if about, name, ok := quotaOf(path); ok && nodes != 0 {
		switch {
		case name == limitsNode:
			t.setQuota(about, nodes > 0)
		case name == statsNode && nodes > 0:
			t.recount(about)
		}
	}
	about, ok := t.limited(path)
	if !ok {
		return
	}
	n := t.nodes[quotaRoot+about+"/"+statsNode]
	if n == nil {
		return
	}
	var hadNodes, hadBytes int
	counted, rest, _ := strings.Cut(string(n.data), "=;")
	if _, err := fmt.Sscanf(counted, "count=%d,bytes=%d", &hadNodes, &hadBytes); err != nil {
		return
	}
	t.restoring(n)
	data := fmt.Appendf(nil, "count=%d,bytes=%d", hadNodes+nodes, hadBytes+bytes)
	if rest != "" {
		data = append(append(data, "=;"...), rest...)
	}
	t.write(n, data)
}

func (t *txn) setQuota(about string, there bool) {
	was := t.quotas[about]
	if t.revert {
		t.undo = append(t.undo, func() { t.tree.mark(about, was) })
	}
	t.tree.mark(about, there)
}

func (t *tree) mark(about string, there bool) {
	if there && about != "" {
		t.quotas[about] = true
	} else {
		delete(t.quotas, about)
	}
}

// recount begins the count with what there is.
func (t *txn) recount(about string) {
	nodes, bytes := 0, 0
	for path, n := range t.nodes {
		if path == about || strings.HasPrefix(path, about+"/") {
			nodes++
			bytes += len(n.data)
		}
	}
	n := t.nodes[quotaRoot+about+"/"+statsNode]
	t.restoring(n)
	t.write(n, []byte("count="+strconv.Itoa(nodes)+",bytes="+strconv.Itoa(bytes)))
}
