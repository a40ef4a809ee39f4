package zktest

import (
	"maps"
	"slices"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

// watchMode is a set of the kinds of watch that one connection has on one path.
type watchMode uint8

const (
	watchOnce watchMode = 1 << iota
	watchPersistent
	watchRecursive
	watchAny = watchOnce | watchPersistent | watchRecursive
)

// A watchTable holds the watches of nodes or those of children, by path and by connection.
type watchTable struct {
	paths     map[string]map[*conn]watchMode
	conns     map[*conn]map[string]struct{}
	recursive int  // number of recursive watches; if it is 0, events need not check ancestors
	single    bool // a watch replaces an earlier one of the same connection and path
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

// remove removes the connection's watches of the path in one of the modes. It returns
// false if there was none.
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

// has reports whether the connection watches the path in one of the modes. In ZooKeeper
// 3.8 a watch of any connection in any mode is enough.
func (w *watchTable) has(path string, c *conn, mode watchMode) bool {
	return w.paths[path][c]&mode != 0 || w.single && path != "" && len(w.paths[path]) > 0
}

// drop removes all watches of a connection.
func (w *watchTable) drop(c *conn) {
	for _, path := range slices.Collect(maps.Keys(w.conns[c])) {
		w.remove(path, c, watchAny)
	}
}

// fire removes the one-time watches of the path. It appends to recipients the connections
// that have to be notified and have not been notified of it yet. seq is the number of
// the event.
func (w *watchTable) fire(path string, event int32, seq uint64, recipients []*conn) []*conn {
	add := func(c *conn) {
		if c.lastNotification != seq {
			c.lastNotification = seq
			recipients = append(recipients, c)
		}
	}
	for c, mode := range w.paths[path] {
		if event != wire.EventChildrenChanged || mode&^watchRecursive != 0 {
			add(c)
			w.remove(path, c, watchOnce)
		}
	}
	if w.recursive == 0 || event == wire.EventChildrenChanged {
		return recipients
	}
	for path != "/" {
		path = ztree.WatchPath(path[:strings.LastIndexByte(path, '/')])
		for c, mode := range w.paths[path] {
			if mode&watchRecursive != 0 {
				add(c)
			}
		}
	}
	return recipients
}

// count returns the number of watches.
func (w *watchTable) count() (watches int) {
	for _, paths := range w.conns {
		watches += len(paths)
	}
	return watches
}

// watches holds the watches of a server. Those of nodes notify of the creation, the
// deletion and the change of a node. Those of children are separate.
type watches struct {
	nodes, children *watchTable
	events          uint64 // number of events so far
}

func newWatches(old bool) watches {
	return watches{nodes: newWatchTable(old), children: newWatchTable(old)}
}

func (w *watches) drop(c *conn) {
	w.nodes.drop(c)
	w.children.drop(c)
}

// fire sends the events of a transaction.
func (w *watches) fire(triggers []ztree.Trigger, zxid int64) {
	for _, t := range triggers {
		var recipients []*conn
		w.events++
		if !t.Children {
			recipients = w.nodes.fire(t.Path, t.Event, w.events, recipients)
		}
		if t.Children || t.Both {
			recipients = w.children.fire(t.Path, t.Event, w.events, recipients)
		}
		for _, c := range recipients {
			c.notify(t.Path, t.Event, t.ACL, zxid)
		}
	}
}

// addPersistent adds a watch of addWatch. A recursive watch is notified of created and
// deleted descendants, not of changed lists of children.
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

// The kinds of watcher of removeWatches and checkWatches that ZooKeeper 3.9 has added to
// those in package wire.
const (
	watcherPersistent int32 = 4
	watcherRecursive  int32 = 5
)

// modes are the modes of the watches of each kind.
var modes = map[int32]watchMode{
	wire.WatcherChildren: watchOnce,
	wire.WatcherData:     watchOnce,
	wire.WatcherAny:      watchAny,
	watcherPersistent:    watchPersistent,
	watcherRecursive:     watchRecursive,
}

// tables returns the tables that hold watches of a kind, and their mode. It returns nil if
// there is no such kind. In ZooKeeper 3.8 a kind selects tables but no mode.
func (w *watches) tables(kind int32) ([]*watchTable, watchMode) {
	mode := modes[kind]
	if w.nodes.single {
		mode = watchAny
		if kind > wire.WatcherAny {
			return nil, 0
		}
	}
	switch kind {
	case wire.WatcherChildren:
		return []*watchTable{w.children}, mode
	case wire.WatcherData, watcherRecursive:
		return []*watchTable{w.nodes}, mode
	case wire.WatcherAny, watcherPersistent:
		return []*watchTable{w.children, w.nodes}, mode
	}
	return nil, 0
}
