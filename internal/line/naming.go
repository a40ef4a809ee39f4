package line

import (
	"strconv"
	"strings"
)

// Naming says how the nodes of a line are called, and which children of its
// path stand in it.
type Naming struct {
	// Prefix makes the name of a new node, up to its sequence number.
	Prefix func(guid string) string
	// Markers are what stands before the sequence number of a contender's name,
	// in every naming that is to be respected.
	Markers []string
}

// The marks of exclusive locks: of Curator and go-zookeeper, and of Kazoo.
var lockMarkers = []string{"-lock-", "__lock__"}

// The namings. Curator's nodes are found by Curator and go-zookeeper; Kazoo's by
// Kazoo and go-zookeeper. Neither library knows the other's.
var (
	CuratorLock  = Naming{curator("lock-"), lockMarkers}
	CuratorLatch = Naming{curator("latch-"), []string{"-latch-"}}
	KazooLock    = Naming{kazoo("__lock__"), lockMarkers}
)

func curator(name string) func(string) string {
	return func(guid string) string { return "_c_" + guid + "-" + name }
}

// kazoo's names begin with a GUID of 32 digits; go-zookeeper's protected nodes
// do as well, behind _c_, which Kazoo does not mind.
func kazoo(name string) func(string) string {
	return func(guid string) string { return "_c_" + strings.ReplaceAll(guid, "-", "") + "-" + name }
}

// sequence is the number at the end of a contender's name; ok is false for any
// other child. Behind 2147483647 comes -2147483648.
func (n Naming) sequence(name string) (seq int32, ok bool) {
	for _, m := range n.Markers {
		i := strings.LastIndex(name, m)
		if i < 0 {
			continue
		}
		digits := name[i+len(m):]
		if len(strings.TrimPrefix(digits, "-")) < 9 { // ten as a rule, nine of some negative ones
			continue
		}
		v, err := strconv.ParseInt(digits, 10, 32)
		if err == nil && digits[0] != '+' {
			return int32(v), true
		}
	}
	return 0, false
}

// before tells whether a was numbered before b. Numbers wrap, so it is the sign
// of their distance that counts, which is right as long as no more than 2^31
// were given while both stand in line.
func before(a, b int32) bool { return a-b < 0 }
