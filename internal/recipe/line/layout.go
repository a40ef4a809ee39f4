package line

import (
	"slices"
	"strconv"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/recipe/sequence"
	"github.com/zkrecipes/zkrecipes/session"
)

// Kind is the kind of ownership that a contender wants.
type Kind uint8

const (
	// Exclusive contenders own alone. They wait for all contenders ahead.
	Exclusive Kind = iota
	// Shared contenders share ownership. They wait for the exclusive ones ahead.
	Shared
)

// Marker is the text before the sequence number in the names of one kind of
// contender.
type Marker struct {
	Text string
	Kind Kind
	// Downgradable is true if an exclusive contender with this marker may become a
	// shared one that keeps its position in the line.
	Downgradable bool
}

// Layout defines the names of a line's nodes, and which children of its path are
// contenders.
type Layout struct {
	// Prefix returns the name of a new node without its sequence number.
	Prefix func(guid string) string
	// Kind is the kind of the nodes with this Prefix.
	Kind Kind
	// Markers are the markers of all contenders, in every layout that this one waits
	// for. The first one is the marker of this layout's own nodes.
	Markers []Marker
}

// The markers of locks, of Curator and go-zookeeper, and of Kazoo: those that are
// always exclusive, and those that readers share. All contenders wait for each
// other, so that a mutex and a read-write lock at one path are never owned at the
// same time.
var (
	lockMarkers  = slices.Concat([]Marker{ownLock, kazooLock, writer}, shared)
	shareMarkers = slices.Concat([]Marker{writer, kazooLock, ownLock}, shared)

	ownLock   = Marker{Text: "-lock-"}
	kazooLock = Marker{Text: "__lock__", Downgradable: true}
	writer    = Marker{Text: "__WRIT__", Downgradable: true}
	shared    = []Marker{{Text: "__READ__", Kind: Shared}, {Text: "__rlock__", Kind: Shared}}
)

// The layouts. Curator and go-zookeeper find the nodes of Curator's layouts, Kazoo
// and go-zookeeper those of Kazoo's layouts. Curator and Kazoo do not find each
// other's nodes.
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

// kazoo returns names that begin with a GUID of 32 digits. The names of
// go-zookeeper's protected nodes do as well, after _c_, which Kazoo accepts.
func kazoo(name string) func(string) string {
	return func(guid string) string { return "_c_" + strings.ReplaceAll(guid, "-", "") + "-" + name }
}

// waitsFor reports whether contenders of layout n wait for contenders of kind k.
func (n Layout) waitsFor(k Kind) bool { return n.Kind == Exclusive || k == Exclusive }

// mayDowngrade reports whether the contender of this name may become a shared one
// that keeps its position, and contenders of layout n would wait for that one.
func (n Layout) mayDowngrade(name string) bool {
	m, _, _, ok := n.parse(name)
	return ok && m.Downgradable && n.Kind == Exclusive
}

// parse splits the name of a contender into its marker and the number at its end,
// which is also returned as it is written. ok is false for any other child. The
// number after 2147483647 is -2147483648.
func (n Layout) parse(name string) (marker Marker, seq int32, digits string, ok bool) {
	for _, m := range n.Markers {
		i := strings.LastIndex(name, m.Text)
		if i < 0 {
			continue
		}
		digits := name[i+len(m.Text):]
		if len(strings.TrimPrefix(digits, "-")) < 9 { // usually ten, nine for some negative numbers
			continue
		}
		v, err := strconv.ParseInt(digits, 10, 32)
		if err == nil && digits[0] != '+' {
			return m, int32(v), digits, true
		}
	}
	return Marker{}, 0, "", false
}

// DowngradedName returns the name of the node that replaces the node called name
// at its position in the line: it has the same number, but is not sequential.
// name must be the name of the first contender.
//
// The replacement of a contender past the end of the numbers gets the number
// before the end, because contenders past the end are ordered by creation, and the
// replacement is younger than the waiters. That number is free: its node was ahead
// of the first contender.
func (n Layout) DowngradedName(guid, name string) string {
	_, seq, digits, _ := n.parse(name)
	if sequence.PastEnd(seq) {
		digits = strconv.Itoa(sequence.Last - 1)
	}
	return n.Prefix(guid) + digits
}

// own reports whether a contender's name was made by a Prefix of this module.
// Other clients order equal numbers by name or not at all.
func (m Marker) own(name string) bool {
	guid, ok := strings.CutPrefix(name[:strings.LastIndex(name, m.Text)], "_c_")
	guid = strings.TrimSuffix(guid, "-")
	if m.Text == ownLock.Text && len(guid) == 32 {
		return false // go-zookeeper's; this module writes the GUID with dashes here
	}
	return ok && session.IsGUID(guid)
}

// before reports whether number a was given before number b. Numbers wrap, so the
// sign of their distance decides, which is right as long as at most 2^31 numbers
// were given while both nodes exist.
func before(a, b int32) bool { return a-b < 0 }
