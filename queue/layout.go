package queue

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/client/enum"
	"github.com/zkrecipes/zkrecipes/internal/recipe/sequence"
	"github.com/zkrecipes/zkrecipes/session"
)

// Layout is the names and data of a queue's nodes. It decides what the queue
// supports and which other libraries can share it. All programs that share a queue
// must use the same layout.
type Layout uint8

const (
	// Native supports everything. It is the default.
	Native Layout = iota
	// Curator is the layout of Curator's DistributedQueue: first in, first out.
	Curator
	// CuratorPriority is the layout of Curator's DistributedPriorityQueue.
	CuratorPriority
	// CuratorDelay is the layout of Curator's DistributedDelayQueue: items are ordered
	// by the times at which they become due.
	CuratorDelay
	// CuratorSimple is the layout of Curator's SimpleDistributedQueue and of the queue
	// recipe in ZooKeeper's sources: first in, first out, without framing. WithPrefix
	// adapts it to similar queues with other names.
	CuratorSimple
	// Kazoo is the layout of Kazoo's Queue, with priorities from 0 to 999.
	Kazoo
	// KazooLocking is the layout of Kazoo's LockingQueue, whose items can be claimed.
	KazooLocking
)

var layoutNames = []string{
	Native: "native", Curator: "curator", CuratorPriority: "curator-priority", CuratorDelay: "curator-delay",
	CuratorSimple: "curator-simple", Kazoo: "kazoo", KazooLocking: "kazoo-locking",
}

// String returns the layout's name: "native", "curator", "curator-priority",
// "curator-delay", "curator-simple", "kazoo", "kazoo-locking".
func (l Layout) String() string { return enum.Name("layout", layoutNames, l) }

// ParseLayout returns the layout of that name. If there is none, the error wraps
// session.ErrInvalid.
func ParseLayout(name string) (Layout, error) {
	return enum.Parse[Layout]("layout", layoutNames, name, session.ErrInvalid)
}

// sortKey is the position of an item, from the name of its node.
type sortKey struct {
	rank int64 // lower first: the priority, or in CuratorDelay the due time
	due  int64 // not before, in milliseconds since 1970; 0 means immediately
	seq  int32
	// created orders the items past the last sequence number; 0 comes first. It is the
	// czxid of the node, or of the item's first node if restored.
	created  session.Zxid
	restored bool // the node was created by putBack, and its name contains created
	part     int  // how many items were taken from a node that held several
}

// layoutSpec describes a layout.
type layoutSpec struct {
	layout Layout
	// Where the items, the claims and the dead letters are, below the queue's path.
	// If items is empty, the items are at the path itself. Such items have claims
	// only where WithLockPath puts them, and dead letters beside the path.
	items, claims, dead string
	// lockable: the layout supports WithLockPath.
	lockable bool
	// durable: other libraries expect the parents never to be deleted.
	durable bool
	// framed: a node may hold several items.
	framed bool
	// lowest, highest and usual are the bounds and the default of the priorities,
	// if the layout has priorities.
	prioritized            bool
	lowest, highest, usual int
	// delayed: items can be due later.
	delayed bool
	prefix  func(o sortKey, guid string) string
	parse   func(name string) (sortKey, bool)
}

// ranked reports whether a new node may precede older ones.
func (s *layoutSpec) ranked() bool { return s.prioritized || s.delayed || s.framed }

// counted reports whether every claim raises the version of its item, so that an
// item of version 0 was never claimed.
func (s *layoutSpec) counted() bool { return s.layout == Native }

// id returns an item's id in the API.
func (s *layoutSpec) id(name string) string {
	if s.layout == Native && len(name) > nativeGUID+36 {
		return name[nativeGUID : nativeGUID+36]
	}
	return name
}

// specOf returns the description of a layout, and false if there is no such layout.
// prefix replaces the prefix of CuratorSimple.
func specOf(l Layout, prefix string) (layoutSpec, bool) {
	s := layoutSpec{layout: l, durable: l != Native}
	switch l {
	case Native:
		s.items, s.claims, s.dead = "items", "claims", "dead"
		s.prioritized, s.lowest, s.highest = true, math.MinInt32, math.MaxInt32
		s.delayed = true
		s.prefix, s.parse = nativePrefix, parseNative
	case Curator:
		s.framed, s.lockable = true, true
		s.prefix, s.parse = plainPrefix(curatorPrefix), parsePlain(curatorPrefix, true)
	case CuratorPriority:
		s.framed, s.lockable = true, true
		s.prioritized, s.lowest, s.highest = true, math.MinInt32, math.MaxInt32
		s.prefix, s.parse = curatorPriorityPrefix, parseCuratorPriority
	case CuratorDelay:
		s.framed, s.lockable = true, true
		s.delayed = true
		s.prefix, s.parse = curatorDelayPrefix, parseCuratorDelay
	case CuratorSimple:
		if prefix == "" {
			prefix = "qn-"
		}
		s.prefix, s.parse = plainPrefix(prefix), parsePlain(prefix, false)
	case Kazoo, KazooLocking:
		s.prioritized, s.lowest, s.highest, s.usual = true, 0, 999, 100
		s.prefix, s.parse = kazooPrefix, parseKazoo
		if l == KazooLocking {
			s.items, s.claims, s.dead = "entries", "taken", "dead"
		}
	default:
		return layoutSpec{}, false
	}
	return s, true
}

// The native name is PPPPPPPP-TTTTTTTTTTT-GUID-SEQ, or PPPPPPPP-TTTTTTTTTTT-GUID-SEQ-CZXID
// for an item past the last sequence number that was put back. The due time in
// milliseconds has room until the year 2527.
const (
	nativeGUID = 8 + 1 + 11 + 1
	latestDue  = 1<<44 - 1
)

func nativePrefix(o sortKey, guid string) string {
	return fmt.Sprintf("%08x-%011x-%s-", uint32(o.rank-math.MinInt32), o.due, guid)
}

func parseNative(name string) (o sortKey, ok bool) {
	const seq = nativeGUID + 36 + 1
	if len(name) < seq+10 || name[8] != '-' || name[nativeGUID-1] != '-' || name[seq-1] != '-' {
		return o, false
	}
	p, ok1 := parseHex(name[:8], lowerHex)
	due, ok2 := parseHex(name[9:nativeGUID-1], lowerHex)
	n, rest, ok3 := parseSequence(name[seq:])
	o = sortKey{rank: p + math.MinInt32, due: due, seq: n}
	if rest != "" && sequence.PastEnd(n) {
		o.created, o.restored = parseCreated(rest)
	}
	return o, ok1 && ok2 && ok3 && (rest == "" || o.restored)
}

// restoredName returns the name of the node that putBack creates for an item past
// the last sequence number. Its position is that of the node that was removed, whose
// czxid is created.
func restoredName(name string, o sortKey, created session.Zxid) string {
	if o.restored {
		return name
	}
	return fmt.Sprintf("%s-%016x", name, uint64(created))
}

// parseCreated parses the end of a restoredName.
func parseCreated(s string) (created session.Zxid, ok bool) {
	if len(s) != 1+16 || s[0] != '-' {
		return 0, false
	}
	n, ok := parseHex(s[1:], lowerHex)
	return session.Zxid(n), ok
}

// maxRequeues is the largest due time that is a count instead; see requeuedKey.
const maxRequeues = 1 << 20

// requeuedKey returns the key of a dead letter that becomes an item again. Where the
// sequence number does not make its name different from the previous ones, the due
// time does, which counts from 0.
func requeuedKey(o sortKey) sortKey {
	if o.pastEnd() && o.due < maxRequeues {
		o.due++
	} else {
		o.due = 0
	}
	return o
}

const curatorPrefix = "queue-"

func plainPrefix(prefix string) func(sortKey, string) string {
	return func(sortKey, string) string { return prefix }
}

func parsePlain(prefix string, parts bool) func(string) (sortKey, bool) {
	return func(name string) (o sortKey, ok bool) {
		digits, ok := strings.CutPrefix(name, prefix)
		if !ok {
			return o, false
		}
		return parseEnd(o, digits, parts)
	}
}

// A priority is encoded as the sign, 1 if it is not negative, and the two's
// complement.
func curatorPriorityPrefix(o sortKey, _ string) string {
	sign := '1'
	if o.rank < 0 {
		sign = '0'
	}
	return fmt.Sprintf("%s%c%08X", curatorPrefix, sign, uint32(o.rank))
}

func parseCuratorPriority(name string) (o sortKey, ok bool) {
	rest, ok := strings.CutPrefix(name, curatorPrefix)
	if !ok || len(rest) < 9 || rest[0] != '0' && rest[0] != '1' {
		return o, false
	}
	p, ok := parseHex(rest[1:9], upperHex)
	o.rank = int64(int32(uint32(p)))
	if !ok || (o.rank < 0) != (rest[0] == '0') {
		return o, false
	}
	return parseEnd(o, rest[9:], true)
}

func curatorDelayPrefix(o sortKey, _ string) string {
	return fmt.Sprintf("%s|%08X|", curatorPrefix, o.due)
}

func parseCuratorDelay(name string) (o sortKey, ok bool) {
	rest, ok := strings.CutPrefix(name, curatorPrefix+"|")
	if !ok {
		return o, false
	}
	due, digits, ok := strings.Cut(rest, "|")
	if !ok {
		return o, false
	}
	if o.due, ok = parseHex(due, upperHex+"abcdef"); !ok {
		return o, false
	}
	o.rank = o.due
	return parseEnd(o, digits, true)
}

func kazooPrefix(o sortKey, _ string) string { return fmt.Sprintf("entry-%03d-", o.rank) }

func parseKazoo(name string) (o sortKey, ok bool) {
	rest, ok := strings.CutPrefix(name, "entry-")
	if !ok || len(rest) < 4 || rest[3] != '-' {
		return o, false
	}
	p, err := strconv.ParseUint(rest[:3], 10, 16)
	if err != nil {
		return o, false
	}
	o.rank = int64(p)
	return parseEnd(o, rest[4:], false)
}

// parseEnd parses the sequence number and, if parts is true, the number of the
// part.
func parseEnd(o sortKey, s string, parts bool) (sortKey, bool) {
	var ok bool
	o.seq, s, ok = parseSequence(s)
	if !ok || s == "" {
		return o, ok
	}
	if !parts || s[0] != '-' {
		return sortKey{}, false
	}
	n, err := strconv.ParseUint(s[1:], 10, 31)
	o.part = int(n)
	return o, err == nil && n > 0 && s[1] != '0'
}

// parseSequence parses a number as the server writes it, with at least ten
// characters.
func parseSequence(s string) (seq int32, rest string, ok bool) {
	end := 0
	for end < len(s) && (s[end] >= '0' && s[end] <= '9' || end == 0 && s[0] == '-') {
		end++
	}
	n, err := strconv.ParseInt(s[:end], 10, 32)
	if err != nil || s[:end] != fmt.Sprintf("%010d", n) {
		return 0, "", false
	}
	return int32(n), s[end:], true
}

const (
	lowerHex = "0123456789abcdef"
	upperHex = "0123456789ABCDEF"
)

func parseHex(s, digits string) (int64, bool) {
	if s == "" || strings.Trim(s, digits) != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 16, 64)
	return n, err == nil
}

// pastEnd reports whether an item's number does not give its position.
func (o sortKey) pastEnd() bool { return o.part == 0 && sequence.PastEnd(o.seq) }

// withNumber returns name with another number at its end.
func withNumber(name string, from, to int32) string {
	return fmt.Sprintf("%s%010d", strings.TrimSuffix(name, fmt.Sprintf("%010d", from)), to)
}

// remainderName returns the name of the node that replaces one that held several
// items and whose first item was taken. It has the position of the old node. No
// other node ever gets that name, unless the sequence numbers have ended. Past the
// last number it comes first, because the old node did.
func remainderName(name string, o sortKey) (string, sortKey) {
	if o.part > 0 {
		name = strings.TrimSuffix(name, fmt.Sprintf("-%d", o.part))
	}
	o.part++
	o.created = 0
	return fmt.Sprintf("%s-%d", name, o.part), o
}
