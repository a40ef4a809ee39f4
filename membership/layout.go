package membership

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/client/enum"
	"github.com/zkrecipes/zkrecipes/session"
)

// Layout selects the names and data of the members' nodes, and so which other
// libraries can take part. All members and watchers of a group must use the same
// layout.
type Layout uint8

const (
	// Curator is the layout of Curator's GroupMember: a node has the member's id as
	// its name and holds the member's data. An id is unique. It is the default.
	Curator Layout = iota
	// KazooParty is the layout of Kazoo's Party: a node holds the member's id. A
	// member has no data, and several members can have the same id.
	KazooParty
	// KazooShallowParty is the layout of Kazoo's ShallowParty: a node's name is a
	// random prefix and the id, so several members can have the same id. The node
	// holds the member's data or, as in Kazoo, the id if there is no data.
	KazooShallowParty
)

const partyMark = "__party__"

var layoutNames = []string{"curator", "kazoo-party", "kazoo-shallow-party"}

// String returns the layout's name: "curator", "kazoo-party", "kazoo-shallow-party".
func (l Layout) String() string { return enum.Name("layout", layoutNames, l) }

// ParseLayout returns the layout with the given name. If there is none, the error
// wraps session.ErrInvalid.
func ParseLayout(name string) (Layout, error) {
	return enum.Parse[Layout]("layout", layoutNames, name, session.ErrInvalid)
}

func (l Layout) check() error { return enum.Check("layout", layoutNames, l, session.ErrInvalid) }

// name returns the name of a new node for a member.
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

// content returns the data of a member's node.
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

// accepts reports whether a node with this name may be a member.
func (l Layout) accepts(name string) bool {
	switch l {
	case KazooParty:
		return strings.Contains(name, partyMark) // as Kazoo does
	case KazooShallowParty:
		_, ok := shallowID(name)
		return ok
	default:
		return true
	}
}

// shallowID returns the id in the name of a node.
func shallowID(name string) (id string, ok bool) {
	hex, id, ok := strings.Cut(name, "-")
	return id, ok && len(hex) == 32 && strings.Trim(hex, "0123456789abcdef") == ""
}

// member decodes a node. A node that is not ephemeral is not a member.
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

// checkID refuses ids that cannot be the name of a node, in any layout.
func checkID(id string) error {
	if id == "" || strings.Contains(id, "/") {
		return fmt.Errorf("%w: %q", ErrInvalidID, id)
	}
	if err := session.CheckPath("/" + id); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalidID, err)
	}
	return nil
}
