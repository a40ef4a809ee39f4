package line

import (
	"slices"

	"github.com/zkrecipes/zkrecipes/session"
)

// contender is a child of the line's path that stands in line.
type contender struct {
	name     string
	kind     Kind
	sequence int32
}

func (l *Line) contender(name string) (contender, bool) {
	mark, seq, _, ok := l.Naming.parse(name)
	return contender{name, mark.Kind, seq}, ok
}

// contenders picks those who stand in line out of a list of children, and puts
// them in order.
func (l *Line) contenders(names []string) []contender {
	var cs []contender
	for _, name := range names {
		if c, ok := l.contender(name); ok {
			cs = append(cs, c)
		}
	}
	slices.SortFunc(cs, contender.compare)
	return cs
}

// compare is for sorting: it is right as long as numbers lie less than 2^31
// apart. Of two with the same number, one is the heir of the other.
func (c contender) compare(d contender) int {
	switch {
	case before(c.sequence, d.sequence):
		return -1
	case before(d.sequence, c.sequence):
		return 1
	}
	return 0
}

// roster is who stood in line at one moment, in order.
type roster struct {
	standing []contender
	err      error
	done     chan struct{}
}

// before returns who stands before a node, and whether the node itself stands in
// line.
func (r *roster) before(own contender) (ahead []contender, found bool) {
	i, _ := slices.BinarySearchFunc(r.standing, own, contender.compare)
	ahead = r.standing[:i]
	for ; i < len(r.standing) && r.standing[i].sequence == own.sequence; i++ {
		if r.standing[i].name == own.name {
			return ahead, true
		}
	}
	return ahead, false
}

// nearest picks the nearest two that a node waits for, nearest last, leaving out
// those known to have gone. more tells whether there are others ahead of these,
// found whether the node itself stands in line.
func (r *roster) nearest(n Naming, own contender, gone []string) (two []string, more, found bool) {
	ahead, found := r.before(own)
	for _, c := range slices.Backward(ahead) {
		if !n.waitsFor(c.kind) || slices.Contains(gone, c.name) {
			continue
		}
		if len(two) == 2 {
			return two, true, found
		}
		two = slices.Insert(two, 0, c.name)
	}
	return two, false, found
}

// paths are the nodes of all ahead that a node waits for, in order.
func (r *roster) paths(l *Line, own contender) (paths []string, found bool) {
	ahead, found := r.before(own)
	for _, c := range ahead {
		if l.Naming.waitsFor(c.kind) {
			paths = append(paths, session.Join(l.Path, c.name))
		}
	}
	return paths, found
}
