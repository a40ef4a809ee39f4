package barrier

import (
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/client/enum"
	"github.com/zkrecipes/zkrecipes/session"
)

// Layout selects the names of a Double's nodes.
type Layout uint8

const (
	// Curator names a member by a GUID, and the node that shows a round ready, as
	// Curator's DistributedDoubleBarrier and Kazoo's DoubleBarrier do. It is the
	// default.
	Curator Layout = iota
	// Synchronizing names a member member_ and a number, and the node that shows a
	// round start. It is the synchronizing queue of articles on ZooKeeper, in which
	// processes wait until all have arrived.
	Synchronizing
)

var layoutNames = []string{"curator", "synchronizing"}

// String returns the layout's name: "curator", "synchronizing".
func (l Layout) String() string { return enum.Name("layout", layoutNames, l) }

// ParseLayout returns the layout with the given name. If there is none, the error
// wraps session.ErrInvalid.
func ParseLayout(name string) (Layout, error) {
	return enum.Parse[Layout]("layout", layoutNames, name, session.ErrInvalid)
}

// ready returns the name of the node that exists during a round.
func (l Layout) ready() string {
	if l == Synchronizing {
		return "start"
	}
	return "ready"
}

const memberPrefix = "member_"

// name returns a new unique name for a member.
func (l Layout) name() string {
	if l == Synchronizing {
		return memberPrefix + strconv.FormatUint(rand.Uint64(), 10)
	}
	return session.GUID()
}

// member reports whether name is the name of a member. Kazoo writes a GUID without
// dashes.
func (l Layout) member(name string) bool {
	if l == Synchronizing {
		return strings.HasPrefix(name, memberPrefix)
	}
	switch len(name) {
	case 36:
		return isHex(name[:8]) && name[8] == '-' && isHex(name[9:13]) && name[13] == '-' && isHex(name[14:18]) &&
			name[18] == '-' && isHex(name[19:23]) && name[23] == '-' && isHex(name[24:])
	case 32:
		return isHex(name)
	}
	return false
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }
