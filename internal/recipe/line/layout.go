package line

import (
	"slices"
	"strconv"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/recipe/sequence"
	"github.com/zkrecipes/zkrecipes/session"
)

// Kind is what a contender stands in line for.
type Kind uint8

const (
	// Exclusive wants it alone, and waits for everybody ahead.
	Exclusive Kind = iota
	// Shared would share it with its like, and waits for the exclusive ahead.
	Shared
)

// Marker is what stands before the sequence number in the names of a kind.
type Marker struct {
	Text string
	Kind Kind
	// Heirs says that an exclusive one so called may turn into a shared one in its
	// own place.
	Downgradable bool
}

// Layout says how the nodes of a line are called, and which children of its
// path stand in it.
type Layout struct {
	// Prefix makes the name of a new node, up to its sequence number.
	Prefix func(guid string) string
	// Kind is that of the nodes with this Prefix.
	Kind Kind
	// Markers are those of all contenders, in every naming that is to be
	// respected. The first one is the line's own, and tells it from others.
	Markers []Marker
}

// The marks of locks, of Curator and go-zookeeper, and of Kazoo: those that are
// always exclusive, and those that readers share. All wait for each other, so
// that who locks for himself and who shares do not own at the same time.
var (
	lockMarkers  = slices.Concat([]Marker{ownLock, kazooLock, writer}, shared)
	shareMarkers = slices.Concat([]Marker{writer, kazooLock, ownLock}, shared)

	ownLock   = Marker{Text: "-lock-"}
	kazooLock = Marker{Text: "__lock__", Downgradable: true}
	writer    = Marker{Text: "__WRIT__", Downgradable: true}
	shared    = []Marker{{Text: "__READ__", Kind: Shared}, {Text: "__rlock__", Kind: Shared}}
)

// The namings. Curator's nodes are found by Curator and go-zookeeper; Kazoo's by
// Kazoo and go-zookeeper. Neither library knows the other's.
var (
	CuratorLock  = Layout{curator("lock-"), Exclusive, lockMarkers}
	CuratorRead  = Layout{curator("__READ__"), Shared, shareMarkers}
	CuratorWrite = Layout{curator("__WRIT__"), Exclusive, shareMarkers}
	CuratorLatch = Layout{curator("latch-"), Exclusive, []Marker{{Text: "-latch-"}}}
	KazooLock    = Layout{kazoo("__lock__"), Exclusive, lockMarkers}
	KazooRead    = Layout{kazoo("__rlock__"), Shared, shareMarkers}
	KazooWrite   = Layout{kazoo("__lock__"), Exclusive, shareMarkers}
)

func curator(name string) func(string) string {
	return func(guid string) string { return "_c_" + guid + "-" + name }
}

// kazoo's names begin with a GUID of 32 digits; go-zookeeper's protected nodes
// do as well, behind _c_, which Kazoo does not mind.
func kazoo(name string) func(string) string {
	return func(guid string) string { return "_c_" + strings.ReplaceAll(guid, "-", "") + "-" + name }
}

// waitsFor tells whether those whom n names wait for the kind.
func (n Layout) waitsFor(k Kind) bool { return n.Kind == Exclusive || k == Exclusive }

// mayDowngrade tells whether the one of this name may turn into a shared one in its
// own place, for which those whom n names wait.
func (n Layout) mayDowngrade(name string) bool {
	m, _, _, ok := n.parse(name)
	return ok && m.Downgradable && n.Kind == Exclusive
}

// parse takes the name of a contender apart: its mark, and the number at its
// end, which is also returned as it is written. ok is false for any other child.
// Behind 2147483647 comes -2147483648.
func (n Layout) parse(name string) (mark Marker, seq int32, digits string, ok bool) {
	for _, m := range n.Markers {
		i := strings.LastIndex(name, m.Text)
		if i < 0 {
			continue
		}
		digits := name[i+len(m.Text):]
		if len(strings.TrimPrefix(digits, "-")) < 9 { // ten as a rule, nine of some negative ones
			continue
		}
		v, err := strconv.ParseInt(digits, 10, 32)
		if err == nil && digits[0] != '+' {
			return m, int32(v), digits, true
		}
	}
	return Marker{}, 0, "", false
}

// DowngradedName names the node that takes over the place of another, which is called
// name: it has the same number, but is not sequential. name must be that of the
// first contender.
//
// The heir of a contender past the end gets the number before it, because
// contenders past the end are ordered by creation, and the heir is younger than
// those who wait. That number is free: its node stood before the first contender.
func (n Layout) DowngradedName(guid, name string) string {
	_, seq, digits, _ := n.parse(name)
	if sequence.PastEnd(seq) {
		digits = strconv.Itoa(sequence.Last - 1)
	}
	return n.Prefix(guid) + digits
}

// own reports whether a contender's name has been made by a Prefix of this
// module. Other clients order equal numbers by name or not at all.
func (m Marker) own(name string) bool {
	guid, ok := strings.CutPrefix(name[:strings.LastIndex(name, m.Text)], "_c_")
	guid = strings.TrimSuffix(guid, "-")
	if m.Text == ownLock.Text && len(guid) == 32 {
		return false // go-zookeeper's, whose GUID has any digit in any place
	}
	return ok && session.IsGUID(guid)
}

// before tells whether a was numbered before b. Numbers wrap, so it is the sign
// of their distance that counts, which is right as long as no more than 2^31
// were given while both stand in line.
func before(a, b int32) bool { return a-b < 0 }
