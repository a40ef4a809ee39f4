package inspect

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/zkrecipes/zkrecipes/session"
)

// The libraries, as far as names of nodes show them.
const (
	ours        = "zkrecipes"
	curator     = "curator"
	kazoo       = "kazoo"
	goZooKeeper = "go-zookeeper"
)

// contender is the name of a sequential node in a line, in parts.
type contender struct {
	name   string
	marker string
	seq    int32
}

// The markers in the names of contenders.
const (
	markerLock      = "-lock-"
	markerWrite     = "__WRIT__"
	markerRead      = "__READ__"
	markerKazooLock = "__lock__"
	markerKazooRead = "__rlock__"
	markerLatch     = "-latch-"
	markerLease     = "-lease-"
	markerSequence  = "-id-"
)

var lockMarkers = []string{markerLock, markerWrite, markerRead, markerKazooLock, markerKazooRead}

// parseContender parses a name with one of the markers before its number.
func parseContender(name string, markers ...string) (c contender, ok bool) {
	for _, m := range markers {
		i := strings.LastIndex(name, m)
		if i < 0 {
			continue
		}
		if seq, ok := parseSequence(name[i+len(m):]); ok {
			return contender{name, m, seq}, true
		}
	}
	return contender{}, false
}

// parseSequence parses a sequence number. It has ten digits; a negative one has a sign
// and nine or ten.
func parseSequence(digits string) (int32, bool) {
	if len(strings.TrimPrefix(digits, "-")) < 9 || len(digits) < 10 || digits[0] == '+' {
		return 0, false
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	return int32(n), err == nil
}

// sequenceName matches any name that ends in a sequence number.
var sequenceName = regexp.MustCompile(`^(.*?)(-?\d{10})$`)

// splitSequence splits a name into its text and its sequence number. A single dash
// before the digits belongs to the text.
func splitSequence(name string) (text string, seq int32, ok bool) {
	m := sequenceName.FindStringSubmatch(name)
	if m == nil {
		return "", 0, false
	}
	text, digits := m[1], m[2]
	if digits[0] == '-' && !strings.HasSuffix(text, "-") && !strings.HasSuffix(text, "_") {
		text, digits = text+"-", digits[1:]
	}
	seq, ok = parseSequence(digits)
	return text, seq, ok
}

// sharesLock reports whether the contender is a reader.
func (c contender) sharesLock() bool { return c.marker == markerRead || c.marker == markerKazooRead }

// ofKazoo reports whether Kazoo finds the contender.
func (c contender) ofKazoo() bool { return c.marker == markerKazooLock || c.marker == markerKazooRead }

// library returns the library that uses this name, or "".
func (c contender) library() string {
	text := c.name
	if i := strings.LastIndex(text, c.marker); i >= 0 {
		text = text[:i]
	}
	guid, protected := strings.CutPrefix(strings.TrimSuffix(text, "-"), "_c_")
	switch {
	case isUUID(guid) && protected && session.IsGUID(guid):
		return ours
	case isUUID(guid) && protected:
		return curator
	case isHex32(guid) && protected && c.ofKazoo() && session.IsGUID(guid):
		return ours
	case isHex32(guid) && protected:
		return goZooKeeper
	case isHex32(guid) && c.ofKazoo():
		return kazoo
	}
	return ""
}

var (
	uuidPattern  = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	hex32Pattern = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

func isUUID(s string) bool  { return len(s) == 36 && uuidPattern.MatchString(s) }
func isHex32(s string) bool { return len(s) == 32 && hex32Pattern.MatchString(s) }

// contenders returns the contenders among names, in the order of their numbers. The
// number after 2147483647 is -2147483648.
func contenders(names []string, markers ...string) (cs []contender) {
	for _, name := range names {
		if c, ok := parseContender(name, markers...); ok {
			cs = append(cs, c)
		}
	}
	slices.SortStableFunc(cs, func(a, b contender) int { return compareSequence(a.seq, b.seq) })
	return cs
}

// compareSequence orders sequence numbers by the sign of their difference.
func compareSequence(a, b int32) int {
	switch d := a - b; {
	case d < 0:
		return -1
	case d > 0:
		return 1
	}
	return 0
}

// hostAndPID splits an id of the form host:pid, which is the default id of this module,
// or host-pid, which is Kazoo's for double barriers.
func hostAndPID(id, separator string) (host string, pid int) {
	i := strings.LastIndex(id, separator)
	if i <= 0 {
		return "", 0
	}
	n, err := strconv.ParseUint(id[i+len(separator):], 10, 31)
	if err != nil || n == 0 || strings.ContainsAny(id[:i], " /\n") {
		return "", 0
	}
	return id[:i], int(n)
}
