package view

import (
	"errors"

	"github.com/zkrecipes/zkrecipes/session"
)

// maxPipelined is how many nodes are read in one flight.
const maxPipelined = 256

// read reads the lists of children that are due, level by level, and then the data
// that is due. It returns the number of nodes read and names listed. When it returns,
// every entry has been read at least once.
func (f *follower) read() (n int, err error) {
	for {
		due := f.due((*entry).listDue)
		if len(due) == 0 {
			break
		}
		listed, err := inBatches(due, f.readLists)
		n += listed
		if err != nil {
			return n, err
		}
	}
	read, err := inBatches(f.due((*entry).dataDue), f.readData)
	return n + read, err
}

func (e *entry) listDue() bool { return e.list.due() }
func (e *entry) dataDue() bool { return e.data.due() }

func (f *follower) due(of func(*entry) bool) []string {
	var paths []string
	for path, e := range f.entries {
		if of(e) {
			paths = append(paths, path)
		}
	}
	return paths
}

// inBatches calls read for at most maxPipelined paths at a time.
func inBatches(paths []string, read func([]string) (int, error)) (total int, err error) {
	for len(paths) > 0 && err == nil {
		var n int
		n, err = read(paths[:min(len(paths), maxPipelined)])
		total += n
		paths = paths[min(len(paths), maxPipelined):]
	}
	return total, err
}

// inSession returns the absolute paths of relative ones.
func (f *follower) inSession(paths []string) []string {
	abs := make([]string, len(paths))
	for i, p := range paths {
		abs[i] = f.abs(p)
	}
	return abs
}

func (f *follower) readLists(paths []string) (int, error) {
	listings, err := f.epoch.WatchListings(f.ctx, f.inSession(paths)...)
	n := len(listings)
	for i, l := range listings {
		n += len(l.Names)
		if aerr := f.listed(paths[i], l); aerr != nil {
			err = aerr
		}
	}
	return n, err
}

// listed records the list of children of the entry at path.
func (f *follower) listed(path string, l session.Listing) error {
	e := f.entries[path]
	if e == nil { // removed, because its parent was listed in the same flight
		l.Watch.Close()
		return nil
	}
	switch {
	case errors.Is(l.Err, session.ErrNoNode):
		return f.gone(e, &e.list)
	case l.Err != nil:
		if e.list.refused = l.Err; e.names == nil { // in this epoch
			f.children(e, f.view.Snapshot().children(path))
		}
		return nil
	}
	f.setWatch(&e.list, l.Watch)
	if path == "" {
		e.node.Stat, e.gone = l.Stat, false
	}
	f.children(e, l.Names)
	return nil
}

func (f *follower) readData(paths []string) (int, error) {
	nodes, err := f.epoch.WatchNodes(f.ctx, f.inSession(paths)...)
	for i, n := range nodes {
		if nerr := f.readNode(paths[i], n); nerr != nil {
			err = nerr
		}
	}
	return len(nodes), err
}

// readNode records the data of the entry at path.
func (f *follower) readNode(path string, n session.Node) error {
	e := f.entries[path]
	switch {
	case e == nil: // removed, because a node above it was deleted in the same flight
		n.Watch.Close()
		return nil
	case errors.Is(n.Err, session.ErrNoNode):
		return f.gone(e, &e.data)
	case n.Err != nil:
		e.data.refused = n.Err
		return nil
	}
	f.setWatch(&e.data, n.Watch)
	e.node, e.gone = Node{Path: path, Data: n.Data, Stat: n.Stat}, false
	return nil
}

// setWatch sets the watch of a part, which wakes the follower when it fires.
func (f *follower) setWatch(l *watchedPart, w *session.Watch) {
	l.setWatch(w)
	w.Notify(f.wakeup)
}

// noteDeleted records that a node below the root does not exist. The list of its
// parent is out of date then, even if its watch has not fired yet.
func (f *follower) noteDeleted(e *entry) {
	f.remove(e.path)
	above, _ := parent(e.path)
	if p := f.entries[above]; p != nil {
		p.list.outdated = true
	}
}

// gone records that a node does not exist. If it is the root, a watch for its
// creation is set.
func (f *follower) gone(e *entry, l *watchedPart) error {
	if e.path != "" {
		f.noteDeleted(e)
		return nil
	}
	f.children(e, nil)
	e.node, e.gone = Node{}, true
	f.absences++
	_, exists, w, err := f.epoch.WatchExists(f.ctx, f.view.path)
	switch {
	case w != nil:
		f.setWatch(l, w)
		l.outdated = exists // it was created in the meantime
	case err != nil && f.ctx.Err() == nil && f.epoch.Context().Err() == nil:
		l.refused = err
	default:
		return err
	}
	return nil
}

// parent splits a relative path into the path of the parent and the name.
func parent(path string) (above, name string) {
	above, name = session.Split("/" + path)
	return above[1:], name
}
