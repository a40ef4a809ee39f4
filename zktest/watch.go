package zktest

import (
	"maps"
	"slices"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

// watchMode is a set of the ways in which one connection watches one path.
type watchMode uint8

const (
	watchOnce watchMode = 1 << iota
	watchPersistent
	watchRecursive
	watchAny = watchOnce | watchPersistent | watchRecursive
)

// A watchTable keeps watches of one kind, of nodes or of children, by path and
// by connection.
type watchTable struct {
	paths     map[string]map[*conn]watchMode
	conns     map[*conn]map[string]struct{}
	recursive int  // how many, so that events look at ancestors only if any
	single    bool // of one connection's watches of one path only the last counts
}

func newWatchTable(single bool) *watchTable {
	return &watchTable{
		single: single,
		paths:  make(map[string]map[*conn]watchMode),
		conns:  make(map[*conn]map[string]struct{}),
	}
}

func (w *watchTable) add(path string, c *conn, mode watchMode) {
	watchers := w.paths[path]
	if watchers == nil {
		watchers = make(map[*conn]watchMode, 1)
		w.paths[path] = watchers
	}
	was := watchers[c]
	if !w.single {
		mode |= was
	}
	w.recursive += countRecursive(mode) - countRecursive(was)
	watchers[c] = mode
	if w.conns[c] == nil {
		w.conns[c] = make(map[string]struct{})
	}
	w.conns[c][path] = struct{}{}
}

func countRecursive(m watchMode) int {
	if m&watchRecursive != 0 {
		return 1
	}
	return 0
}

// remove ends the watches of the path that are of any of the modes, and says
// whether there was one.
func (w *watchTable) remove(path string, c *conn, mode watchMode) bool {
	watchers := w.paths[path]
	was := watchers[c]
	if was&mode == 0 {
		return false
	}
	left := was &^ mode
	w.recursive += countRecursive(left) - countRecursive(was)
	if left != 0 {
		watchers[c] = left
		return true
	}
	delete(watchers, c)
	if len(watchers) == 0 {
		delete(w.paths, path)
	}
	delete(w.conns[c], path)
	if len(w.conns[c]) == 0 {
		delete(w.conns, c)
	}
	return true
}

// has says whether the connection watches the path in one of the modes. In
// ZooKeeper 3.8 it is enough that any connection does in any.
func (w *watchTable) has(path string, c *conn, mode watchMode) bool {
	return w.paths[path][c]&mode != 0 || w.single && path != "" && len(w.paths[path]) > 0
}

// drop ends all watches of a connection.
func (w *watchTable) drop(c *conn) {
	for _, path := range slices.Collect(maps.Keys(w.conns[c])) {
		w.remove(path, c, watchAny)
	}
}

// fire ends the one-time watches of the path and adds to heard whoever has to
// hear of it and has not been told in this round.
func (w *watchTable) fire(path string, event int32, round uint64, heard []*conn) []*conn {
	tell := func(c *conn) {
		if c.notifiedRound != round {
			c.notifiedRound = round
			heard = append(heard, c)
		}
	}
	for c, mode := range w.paths[path] {
		if event != wire.EventChildrenChanged || mode&^watchRecursive != 0 {
			tell(c)
			w.remove(path, c, watchOnce)
		}
	}
	if w.recursive == 0 || event == wire.EventChildrenChanged {
		return heard
	}
	for path != "/" {
		path = ztree.WatchPath(path[:strings.LastIndexByte(path, '/')])
		for c, mode := range w.paths[path] {
			if mode&watchRecursive != 0 {
				tell(c)
			}
		}
	}
	return heard
}

// count is the number of watches, connections and paths.
func (w *watchTable) count() (watches int) {
	for _, paths := range w.conns {
		watches += len(paths)
	}
	return watches
}

// watches are those of the nodes, which tell of their creation, deletion and
// change, and those of the children. The server keeps them apart.
type watches struct {
	nodes, children *watchTable
	round           uint64 // of telling connections what has happened
}

func newWatches(old bool) watches {
	return watches{nodes: newWatchTable(old), children: newWatchTable(old)}
}

func (w *watches) drop(c *conn) {
	w.nodes.drop(c)
	w.children.drop(c)
}

// fire sends what has happened to those who watch.
func (w *watches) fire(triggers []ztree.Trigger, zxid int64) {
	for _, t := range triggers {
		var heard []*conn
		w.round++
		if !t.Children {
			heard = w.nodes.fire(t.Path, t.Event, w.round, heard)
		}
		if t.Children || t.Both {
			heard = w.children.fire(t.Path, t.Event, w.round, heard)
		}
		for _, c := range heard {
			c.notify(t.Path, t.Event, t.ACL, zxid)
		}
	}
}

// addPersistent is addWatch. A recursive watch hears of children through the
// nodes that come and go, never of changed children.
func (w *watches) addPersistent(path string, c *conn, recursive bool) {
	if recursive {
		w.nodes.add(path, c, watchRecursive)
		if w.children.single {
			w.children.add(path, c, watchRecursive)
		}
		return
	}
	w.nodes.add(path, c, watchPersistent)
	w.children.add(path, c, watchPersistent)
}

// The kinds of watcher beside those of package wire that removeWatches and
// checkWatches name since ZooKeeper 3.9.
const (
	watcherPersistent int32 = 4
	watcherRecursive  int32 = 5
)

// tables lists where watches of a kind are and of which mode, or nothing if
// there is no such kind.
func (w *watches) tables(kind int32) ([]*watchTable, watchMode) {
	if w.nodes.single {
		return w.tables38(kind), watchAny
	}
	switch kind {
	case wire.WatcherChildren:
		return []*watchTable{w.children}, watchOnce
	case wire.WatcherData:
		return []*watchTable{w.nodes}, watchOnce
	case wire.WatcherAny:
		return []*watchTable{w.children, w.nodes}, watchAny
	case watcherPersistent:
		return []*watchTable{w.children, w.nodes}, watchPersistent
	case watcherRecursive:
		return []*watchTable{w.nodes}, watchRecursive
	}
	return nil, 0
}

// tables38 is tables in ZooKeeper 3.8, where a kind says which table is meant
// and nothing of the mode.
func (w *watches) tables38(kind int32) []*watchTable {
	switch kind {
	case wire.WatcherChildren:
		return []*watchTable{w.children}
	case wire.WatcherData:
		return []*watchTable{w.nodes}
	case wire.WatcherAny:
		return []*watchTable{w.children, w.nodes}
	}
	return nil
}
