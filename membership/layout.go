package membership

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/client/enum"
	"github.com/zkrecipes/zkrecipes/session"
)

// Layout is how members are written down, on which it depends which other
// libraries take part. All members and watchers of a group must choose the same.
type Layout uint8

const (
	// Curator is that of Curator's GroupMember: a node is called as the member is
	// and holds its data. An id is taken by one member at a time. It is the
	// default.
	Curator Layout = iota
	// KazooParty is that of Kazoo's Party: a node holds the member's id, so that a
	// member has no data, and there may be several of one id.
	KazooParty
	// KazooShallowParty is that of Kazoo's ShallowParty: a node has the id in its
	// name, behind something random, so that there may be several of one id. It
	// holds the member's data or, if there is none, the id, as Kazoo's do.
	KazooShallowParty
)

const partyMark = "__party__"

var layoutNames = []string{"curator", "kazoo-party", "kazoo-shallow-party"}

// String returns the layout's name: "curator", "kazoo-party", "kazoo-shallow-party".
func (l Layout) String() string { return enum.Name("layout", layoutNames, l) }

// ParseLayout returns the layout of that name. If there is none, the error wraps
// session.ErrInvalid.
func ParseLayout(name string) (Layout, error) {
	return enum.Parse[Layout]("layout", layoutNames, name, session.ErrInvalid)
}

func (l Layout) check() error { return enum.Check("layout", layoutNames, l, session.ErrInvalid) }

// name makes the name of a node for a member.
func (l Layout) name(id string) string {
	hex := strings.ReplaceAll(session.GUID(), "-", "")
	switch l {
	case KazooParty:
		return hex + partyMark
	case KazooShallowParty:
		return hex + "-" + id
	default:
		return id
	}
}

// content is what a member's node holds.
func (l Layout) content(id string, data []byte) ([]byte, error) {
	switch {
	case l == KazooParty && len(data) > 0:
		return nil, fmt.Errorf("%w: a member of Kazoo's Party has no data", session.ErrInvalid)
	case l == KazooParty, l == KazooShallowParty && len(data) == 0:
		return []byte(id), nil
	default:
		return bytes.Clone(data), nil
	}
}

// accepts tells whether a node of this name may be a member's.
func (l Layout) accepts(name string) bool {
	switch l {
	case KazooParty:
		return strings.Contains(name, partyMark) // as Kazoo has it
	case KazooShallowParty:
		_, ok := shallowID(name)
		return ok
	default:
		return true
	}
}

// shallowID takes the id out of the name of a node.
func shallowID(name string) (id string, ok bool) {
	hex, id, ok := strings.Cut(name, "-")
	return id, ok && len(hex) == 32 && strings.Trim(hex, "0123456789abcdef") == ""
}

// member reads what a node says. A node that does not go with a session is nobody's.
func (l Layout) member(path, name string, data []byte, st session.Stat) (m Member, ok bool) {
	if !st.Ephemeral() || !l.accepts(name) {
		return Member{}, false
	}
	m = Member{
		ID: name, Data: data,
		Path: session.Join(path, name), Session: st.EphemeralOwner, Token: st.Czxid, Since: st.Ctime,
	}
	switch l {
	case KazooParty:
		m.ID, m.Data = string(data), nil
	case KazooShallowParty:
		m.ID, _ = shallowID(name)
	}
	return m, true
}

// checkID refuses what does not name a node, in whichever layout.
func checkID(id string) error {
	if id == "" || strings.Contains(id, "/") {
		return fmt.Errorf("%w: %q", ErrInvalidID, id)
	}
	if err := session.CheckPath("/" + id); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalidID, err)
	}
	return nil
}
