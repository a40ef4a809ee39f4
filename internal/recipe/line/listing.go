package line

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/zkrecipes/zkrecipes/internal/recipe/sequence"
	"github.com/zkrecipes/zkrecipes/session"
)

// contender is a child of the line's path whose name is that of a contender.
type contender struct {
	name    string
	kind    Kind
	number  int32
	created session.Zxid // set if several contenders are past the end of the numbers and this is one of them; may be 0 otherwise
	foreign bool         // created by a client that is not of this module
}

func (l *Line) contender(name string) (contender, bool) {
	marker, seq, _, ok := l.Layout.parse(name)
	if !ok {
		return contender{}, false
	}
	return contender{name: name, kind: marker.Kind, number: seq, foreign: !marker.own(name)}, true
}

// contenders returns the contenders among the names of children, in order.
//
// Nodes past the end of the numbers are ordered by creation. If there are several,
// contenders reads the stats of those that are not in created, in one flight, and
// leaves out those that were deleted in the meantime.
func (l *Line) contenders(ctx context.Context, e *session.Epoch, names []string, created *sequence.Creations) ([]contender, error) {
	var cs []contender
	last := make(map[string]bool) // the names of the contenders past the end
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

// compare is the order of the line. It is right if the numbers are less than 2^31
// apart, or one of them is past the end. Of two contenders that compare equal, one
// replaces the other.
func (c contender) compare(d contender) int {
	switch {
	case sequence.PastEnd(c.number) && sequence.PastEnd(d.number):
		return cmp.Compare(c.created, d.created)
	case sequence.PastEnd(c.number): // and d is not, whatever the distance
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

// numbered compares a node past the end of the numbers with a node of another
// number: it is after that node unless the number is negative, that is, later.
func numbered(other int32) int {
	if other < 0 {
		return -1
	}
	return 1
}

// listing holds the contenders at one moment, in order.
type listing struct {
	contenders []contender
	err        error
	done       chan struct{}
}

// before returns the contenders ahead of own, and whether own itself was listed.
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

// checkEnd returns an error if own is past the end of the numbers and a node of
// another kind of client is as well, because their order is not known then.
func (r *listing) checkEnd(own contender) error {
	if !sequence.PastEnd(own.number) {
		return nil
	}
	for _, c := range slices.Backward(r.contenders) {
		if c.foreign && sequence.PastEnd(c.number) {
			return fmt.Errorf("%w; another client's node has it or a later one: %s", session.ErrSequenceEnd, c.name)
		}
	}
	return nil
}

// nearest returns the names of the nearest two contenders that own waits for,
// nearest last, without those in gone. more is true if there are others ahead of
// them, found if own itself was listed.
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

// first returns the path of the first contender that own waits for, or "".
func (r *listing) first(l *Line, own contender) string {
	ahead, _ := r.before(own)
	for _, c := range ahead {
		if l.Layout.waitsFor(c.kind) {
			return session.Join(l.Path, c.name)
		}
	}
	return ""
}

// paths returns the nodes of all contenders that own waits for, in order.
func (r *listing) paths(l *Line, own contender) (paths []string, found bool) {
	ahead, found := r.before(own)
	for _, c := range ahead {
		if l.Layout.waitsFor(c.kind) {
			paths = append(paths, session.Join(l.Path, c.name))
		}
	}
	return paths, found
}
