package lock

import (
	"github.com/zkrecipes/zkrecipes/internal/client/enum"
	"github.com/zkrecipes/zkrecipes/internal/recipe/line"
	"github.com/zkrecipes/zkrecipes/session"
)

// Layout is the naming of a lock's nodes, which decides what other libraries can share
// the lock.
type Layout uint8

const (
	// Curator is the layout of Curator and go-zookeeper. It is the default.
	Curator Layout = iota
	// Kazoo is the layout of Kazoo, which go-zookeeper can share.
	Kazoo
)

var layoutNames = []string{"curator", "kazoo"}

// String returns the name of the layout: "curator" or "kazoo".
func (l Layout) String() string { return enum.Name("layout", layoutNames, l) }

// ParseLayout returns the layout with the given name. If there is none, the error wraps
// session.ErrInvalid.
func ParseLayout(name string) (Layout, error) {
	return enum.Parse[Layout]("layout", layoutNames, name, session.ErrInvalid)
}

// mutex returns the layout of a Mutex's line. It is empty if l is unknown, which the
// line refuses.
func (l Layout) mutex() line.Layout {
	switch l {
	case Curator:
		return line.CuratorLock
	case Kazoo:
		return line.KazooLock
	}
	return line.Layout{}
}

// readWrite returns the layouts of an RWMutex's readers and writers.
func (l Layout) readWrite() (read, write line.Layout) {
	switch l {
	case Curator:
		return line.CuratorRead, line.CuratorWrite
	case Kazoo:
		return line.KazooRead, line.KazooWrite
	}
	return line.Layout{}, line.Layout{}
}
