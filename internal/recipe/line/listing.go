package line

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/zkrecipes/zkrecipes/internal/recipe/sequence"
	"github.com/zkrecipes/zkrecipes/session"
)

// contender is a child of the line's path that stands in line.
type contender struct {
	name    string
	kind    Kind
	number  int32
	created session.Zxid // of one of several past the end of the numbers, else 0 or that
	foreign bool         // made by another client
}

func (l *Line) contender(name string) (contender, bool) {
	mark, seq, _, ok := l.Layout.parse(name)
	if !ok {
		return contender{}, false
	}
	return contender{name: name, kind: mark.Kind, number: seq, foreign: !mark.own(name)}, true
}

// contenders picks those who stand in line out of a list of children, in order.
//
// Nodes past the end of the numbers are ordered by creation. If there are several,
// contenders reads the stats of those that created does not hold, in one flight,
// and leaves out those that have gone meanwhile. created maps names to zxids.
func (l *Line) contenders(ctx context.Context, e *session.Epoch, names []string, created *sequence.Creations) ([]contender, error) {
	var cs []contender
	last := make(map[string]bool) // the names of those past the end
	for _, name := range names {
		if c, ok := l.contender(name); ok {
			if sequence.PastEnd(c.number) {
				last[name] = true
			}
			cs = append(cs, c)
		}
	}
	if len(last) > 1 {
		if err := created.Read(ctx, e, l.Path, last); err != nil {
			return nil, err
		}
	}
	for i := range cs {
		cs[i].created, _ = created.Of(cs[i].name)
	}
	if len(last) > 1 {
		cs = slices.DeleteFunc(cs, func(c contender) bool { return last[c.name] && c.created == 0 })
	}
	slices.SortFunc(cs, contender.compare)
	return cs, nil
}

// compare is for sorting: it is right as long as numbers lie less than 2^31
// apart, or one of them is past the end. Of two that compare equal, one is the heir of the other.
func (c contender) compare(d contender) int {
	switch {
	case sequence.PastEnd(c.number) && sequence.PastEnd(d.number):
		return cmp.Compare(c.created, d.created)
	case sequence.PastEnd(c.number): // and d is not, however far away it is
		return numbered(d.number)
	case sequence.PastEnd(d.number):
		return -numbered(c.number)
	case before(c.number, d.number):
		return -1
	case before(d.number, c.number):
		return 1
	}
	return 0
}

// numbered is the order of a node past the end of the numbers beside one with
// another number: behind it, unless that number is negative and so comes later.
func numbered(other int32) int {
	if other < 0 {
		return -1
	}
	return 1
}

// listing is who stood in line at one moment, in order.
type listing struct {
	contenders []contender
	err        error
	done       chan struct{}
}

// before returns who stands before a node, and whether the node itself stands in
// line.
func (r *listing) before(own contender) (ahead []contender, found bool) {
	i, _ := slices.BinarySearchFunc(r.contenders, own, contender.compare)
	ahead = r.contenders[:i]
	for ; i < len(r.contenders) && r.contenders[i].compare(own) == 0; i++ {
		if r.contenders[i].name == own.name {
			return ahead, true
		}
	}
	return ahead, false
}

// checkEnd fails if the order of a node among those past the end is not known
// because another client's node is one of them.
func (r *listing) checkEnd(own contender) error {
	if !sequence.PastEnd(own.number) {
		return nil
	}
	for _, c := range slices.Backward(r.contenders) {
		if c.foreign && sequence.PastEnd(c.number) {
			return fmt.Errorf("%w; another client's node has it or one behind it: %s", session.ErrSequenceEnd, c.name)
		}
	}
	return nil
}

// nearest picks the nearest two that a node waits for, nearest last, leaving out
// those known to have gone. more tells whether there are others ahead of these,
// found whether the node itself stands in line.
func (r *listing) nearest(n Layout, own contender, gone []string) (two []string, more, found bool) {
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
func (r *listing) paths(l *Line, own contender) (paths []string, found bool) {
	ahead, found := r.before(own)
	for _, c := range ahead {
		if l.Layout.waitsFor(c.kind) {
			paths = append(paths, session.Join(l.Path, c.name))
		}
	}
	return paths, found
}
