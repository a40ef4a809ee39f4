package membership

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/view"
	"github.com/zkrecipes/zkrecipes/session"
)

// Snapshot is the members of a group at one time. Members of several snapshots share data, which must not be changed.
type Snapshot struct {
	Members []Member // sorted by ID
}

// Member is a member as other processes see it.
type Member struct {
	ID      string
	Data    []byte
	Path    string       // the node; unique, even if the ID is not
	Session int64        // the ZooKeeper session
	Token   session.Zxid // of the transaction that created the node in this ZooKeeper session
	Since   time.Time    // time of that transaction, by the server's clock
}

func (m *Member) compare(o *Member) int {
	return cmp.Or(strings.Compare(m.ID, o.ID), strings.Compare(m.Path, o.Path))
}

// same reports whether two copies of a member are equal.
func (m *Member) same(o *Member) bool {
	return m.ID == o.ID && m.Path == o.Path && m.Session == o.Session && m.Token == o.Token && bytes.Equal(m.Data, o.Data)
}

func (v *Snapshot) sort() {
	slices.SortFunc(v.Members, func(a, b Member) int { return a.compare(&b) })
}

func (v Snapshot) equal(o Snapshot) bool {
	return slices.EqualFunc(v.Members, o.Members, func(a, b Member) bool { return a.same(&b) })
}

// Find returns a member with the given id.
func (v Snapshot) Find(id string) (Member, bool) {
	i, ok := slices.BinarySearchFunc(v.Members, id, func(m Member, id string) int { return strings.Compare(m.ID, id) })
	if !ok {
		return Member{}, false
	}
	return v.Members[i], true
}

// First returns the member that joined first, in the order in which the ensemble
// processed the joins. ok is false if the group is empty. A member that joins again in
// a new ZooKeeper session becomes the last.
//
// Use First to choose a process for work that may sometimes be done by two processes
// or by none: each process uses its own view, which may be out of date. It is not a
// lock. To elect a leader, use package election.
func (v Snapshot) First() (first Member, ok bool) {
	if len(v.Members) == 0 {
		return Member{}, false
	}
	return slices.MinFunc(v.Members, func(a, b Member) int { return cmp.Compare(a.Token, b.Token) }), true
}

// Diff returns the members that have joined and left since an older view, and those
// whose data or session has changed. Each list is sorted by ID.
func (v Snapshot) Diff(old Snapshot) (joined, left, changed []Member) {
	return view.Diff(old.Members, v.Members, (*Member).compare, (*Member).same)
}
