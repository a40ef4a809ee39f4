package zktest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// A Watch is a watch that a session has set.
type Watch struct {
	Session int64
	Path    string
	Kind    string // "data", "children", "persistent" or "recursive"
}

// Tree returns a text that lists the nodes, one per line and sorted by path, without those
// under /zookeeper. A line has the path, "ephemeral", "container" or "ttl=" with
// milliseconds if it applies, the version, and the quoted data. Equal trees have equal
// texts, so tests can compare them.
func (s *Server) Tree() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for path, n := range s.tree.All() {
		if path == "" || path == "/zookeeper" || strings.HasPrefix(path, "/zookeeper/") {
			continue
		}
		b.WriteString(path)
		switch {
		case n.IsContainer():
			b.WriteString(" container")
		case n.TTL() != 0:
			fmt.Fprintf(&b, " ttl=%d", n.TTL())
		case n.Session() != 0:
			b.WriteString(" ephemeral")
		}
		fmt.Fprintf(&b, " v%d %q\n", n.Version(), n.Data())
	}
	return b.String()
}

// Watches returns all watches, sorted by session, path and kind.
func (s *Server) Watches() []Watch {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Watch
	collect := func(table *watchTable, once string, persistent bool) {
		for path, watchers := range table.paths {
			for c, mode := range watchers {
				if mode&watchOnce != 0 {
					list = append(list, Watch{c.id, path, once})
				}
				if mode&watchPersistent != 0 && persistent {
					list = append(list, Watch{c.id, path, "persistent"})
				}
				if mode&watchRecursive != 0 {
					list = append(list, Watch{c.id, path, "recursive"})
				}
			}
		}
	}
	all := []watches{s.watches}
	for _, f := range s.followers {
		all = append(all, f.watches)
	}
	for _, w := range all {
		collect(w.nodes, "data", true)
		collect(w.children, "children", false)
	}
	slices.SortFunc(list, func(a, b Watch) int {
		return cmp.Or(cmp.Compare(a.Session, b.Session), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Kind, b.Kind))
	})
	return list
}

// Sessions returns the ids of the sessions that have not ended, sorted.
func (s *Server) Sessions() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.sessions))
}

// Leaks reports the ephemeral nodes, watches and sessions that exist as errors of the
// test. Call it when everything has been closed. Nodes and watches at and below an
// allowed root are not reported, and neither are the sessions that own them.
func (s *Server) Leaks(t testing.TB, allowedRoot ...string) {
	t.Helper()
	allowed := func(path string) bool {
		return slices.ContainsFunc(allowedRoot, func(root string) bool {
			return path == root || strings.HasPrefix(path, strings.TrimSuffix(root, "/")+"/")
		})
	}
	exempt := make(map[int64]bool)
	for path, id := range s.ephemeralNodes() {
		if exempt[id] = exempt[id] || allowed(path); !allowed(path) {
			t.Errorf("zktest: ephemeral node %s of session %#x still exists", path, id)
		}
	}
	for _, w := range s.Watches() {
		if exempt[w.Session] = exempt[w.Session] || allowed(w.Path); !allowed(w.Path) {
			t.Errorf("zktest: session %#x still watches %s (%s)", w.Session, w.Path, w.Kind)
		}
	}
	for _, id := range s.Sessions() {
		if !exempt[id] {
			t.Errorf("zktest: session %#x is still open", id)
		}
	}
}

// ephemeralNodes returns the owner of each ephemeral node.
func (s *Server) ephemeralNodes() map[string]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	owners := make(map[string]int64)
	for _, id := range s.tree.EphemeralOwners() {
		for _, path := range s.tree.Ephemerals(id) {
			owners[path] = id
		}
	}
	return owners
}
