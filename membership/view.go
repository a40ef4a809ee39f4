package membership

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// View is who is a member at one time. Members of different views share their
// data, which must not be changed.
type View struct {
	Members []Member // sorted by ID
}

// Member is a member as others see it.
type Member struct {
	ID      string
	Data    []byte
	Path    string       // the node, of which there is only one even if an ID is not unique
	Session int64        // the ZooKeeper session
	Token   session.Zxid // of the transaction by which it has joined, in this session
	Since   time.Time    // when that was, by the server's clock
}

func (m *Member) compare(o *Member) int {
	return cmp.Or(strings.Compare(m.ID, o.ID), strings.Compare(m.Path, o.Path))
}

// same tells whether nothing about a member has changed.
func (m *Member) same(o *Member) bool {
	return m.ID == o.ID && m.Path == o.Path && m.Session == o.Session && m.Token == o.Token && bytes.Equal(m.Data, o.Data)
}

func (v *View) sort() {
	slices.SortFunc(v.Members, func(a, b Member) int { return a.compare(&b) })
}

func (v View) equal(o View) bool {
	return slices.EqualFunc(v.Members, o.Members, func(a, b Member) bool { return a.same(&b) })
}

// Find returns a member of the given id.
func (v View) Find(id string) (Member, bool) {
	i, ok := slices.BinarySearchFunc(v.Members, id, func(m Member, id string) int { return strings.Compare(m.ID, id) })
	if !ok {
		return Member{}, false
	}
	return v.Members[i], true
}

// First returns the member that has been there for longest, by the order in which
// the ensemble has seen them join; ok is false in an empty group. Who joins again
// in a new ZooKeeper session is the last.
//
// It is for choosing somebody to do what may now and then be done by two, or by
// nobody: each process looks at a view of its own, which may be out of date. It is
// no lock. For leading, there is package election.
func (v View) First() (first Member, ok bool) {
	if len(v.Members) == 0 {
		return Member{}, false
	}
	return slices.MinFunc(v.Members, func(a, b Member) int { return cmp.Compare(a.Token, b.Token) }), true
}

// Diff returns who has joined and left since an older view, and of whom something
// has changed: the data, or the session. Each is sorted by ID.
func (v View) Diff(old View) (joined, left, changed []Member) {
	now, then := v.Members, old.Members
	for len(now) > 0 || len(then) > 0 {
		order := 0
		switch {
		case len(then) == 0:
			order = -1
		case len(now) == 0:
			order = 1
		default:
			order = now[0].compare(&then[0])
		}
		switch {
		case order < 0:
			joined, now = append(joined, now[0]), now[1:]
		case order > 0:
			left, then = append(left, then[0]), then[1:]
		default:
			if !now[0].same(&then[0]) {
				changed = append(changed, now[0])
			}
			now, then = now[1:], then[1:]
		}
	}
	return joined, left, changed
}
