package barrier

import (
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/client/enum"
	"github.com/zkrecipes/zkrecipes/session"
)

// Layout is how the nodes of a Double are called.
type Layout uint8

const (
	// Curator calls a member by a GUID, and the node that tells of a round ready,
	// as Curator's DistributedDoubleBarrier and Kazoo's DoubleBarrier do. It is the
	// default.
	Curator Layout = iota
	// Synchronizing calls a member member_ and a number, and the node that tells of
	// a round start: the synchronising queue of the articles, in which processes
	// wait until all are there.
	Synchronizing
)

var layoutNames = []string{"curator", "synchronizing"}

// String returns the layout's name: "curator", "synchronizing".
func (l Layout) String() string { return enum.Name("layout", layoutNames, l) }

// ParseLayout returns the layout of that name. If there is none, the error wraps
// session.ErrInvalid.
func ParseLayout(name string) (Layout, error) {
	return enum.Parse[Layout]("layout", layoutNames, name, session.ErrInvalid)
}

// ready is the node that is there while a round is on.
func (l Layout) ready() string {
	if l == Synchronizing {
		return "start"
	}
	return "ready"
}

const memberPrefix = "member_"

// name makes a member's name, which no other ever has.
func (l Layout) name() string {
	if l == Synchronizing {
		return memberPrefix + strconv.FormatUint(rand.Uint64(), 10)
	}
	return session.GUID()
}

// member tells whether a child is a member. Kazoo writes a GUID without dashes.
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
