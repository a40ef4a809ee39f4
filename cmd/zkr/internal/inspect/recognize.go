package inspect

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"github.com/zkrecipes/zkrecipes/session"
)

// node is what a recognizer looks at: a node, the names of all its children, and a
// few of the children.
type node struct {
	path   string
	data   []byte
	stat   session.Stat
	names  []string       // of the children, sorted
	sample []session.Node // some of the children
	// siblings are the names of the children of the node's parent, if they are known.
	siblings []string
}

// match is what a recognizer found.
type match struct {
	kind   Kind
	name   string
	layout string
	system string
	or     []string // what else it may be
	note   string
	// fill reads further nodes and completes the recipe. It may be nil.
	fill func(ctx context.Context, f *filler) error
	// open: there may be other recipes below the node.
	open bool
}

// recognizer returns nil if the node is not one of its recipe.
type recognizer func(n *node) *match

// recognizers are tried in this order; the first match decides. Those that look at the
// names that only one library uses come before those that look at data, and those that
// fit many nodes come last.
var recognizers = []recognizer{
	recognizeWellKnown,
	recognizeReceipts,
	recognizeTasks,
	recognizeSemaphore,
	recognizeNativeQueue,
	recognizeLockingQueue,
	recognizePartitioner,
	recognizeSlots,
	recognizeLease,
	recognizeLock,
	recognizeElection,
	recognizePlainQueue,
	recognizeSequentialNodes,
	recognizeRound,
	recognizeService,
	recognizeParty,
	recognizeKazooSemaphore,
	recognizeEmptyLine,
	recognizeDoubleBarrier,
	recognizeLine,
	recognizeSequentialQueue,
	recognizeLeader,
	recognizeGroup,
	recognizeFixedNode,
	recognizeLatch,
	recognizeLink,
	recognizeNumber,
	recognizeValue,
}

// recognize returns the match of the first recognizer that has one, or nil.
func recognize(n *node) *match {
	for _, r := range recognizers {
		if m := r(n); m != nil {
			return m
		}
	}
	return nil
}

func (n *node) base() string {
	_, name := session.Split(n.path)
	return name
}

func (n *node) has(name string) bool {
	_, ok := slices.BinarySearch(n.names, name)
	return ok
}

func (n *node) hasAll(names ...string) bool {
	return !slices.ContainsFunc(names, func(name string) bool { return !n.has(name) })
}

// only reports whether all children have one of the names.
func (n *node) only(names ...string) bool {
	return len(n.names) <= len(names) && !slices.ContainsFunc(n.names, func(name string) bool { return !slices.Contains(names, name) })
}

// any returns whether ok holds for one of the names, or of the first of them if there
// are many.
func (n *node) any(ok func(string) bool) bool {
	return slices.ContainsFunc(n.names[:min(len(n.names), maxTested)], ok)
}

// every is any for all names. There must be one.
func (n *node) every(ok func(string) bool) bool {
	return len(n.names) > 0 && !n.any(func(name string) bool { return !ok(name) })
}

// maxTested is the number of names that any and every look at.
const maxTested = 2000

// sampled reports whether ok holds for all children of the sample, of which there must
// be one.
func (n *node) sampled(ok func(session.Node) bool) bool {
	return len(n.sample) > 0 && !slices.ContainsFunc(n.sample, func(c session.Node) bool { return !ok(c) })
}

func isEphemeral(c session.Node) bool  { return c.Stat.Ephemeral() }
func isPersistent(c session.Node) bool { return !c.Stat.Ephemeral() }

// leaf reports whether the node has no children.
func (n *node) leaf() bool { return len(n.names) == 0 }

func matches(pattern string) func(string) bool { return regexp.MustCompile(pattern).MatchString }

func recognizeReceipts(n *node) *match {
	if n.path != session.DefaultReceipts && (n.base() != strings.Trim(session.DefaultReceipts, "/") || !n.every(session.IsGUID)) {
		return nil
	}
	return &match{kind: KindReceipts, name: "receipts", layout: "native", note: "receipts of transactions, one for each session of zkrecipes", fill: fillMembers}
}

func recognizeTasks(n *node) *match {
	if !n.hasAll("tasks", "assign") && !n.hasAll("tasks", "workers") && !n.hasAll("workers", "assign") ||
		!n.only("tasks", "workers", "assign", "master", "zookeeper", strings.Trim(session.DefaultReceipts, "/")) {
		return nil
	}
	return &match{kind: KindTasks, name: "pool of tasks", layout: "native", fill: fillTasks}
}

func recognizeSemaphore(n *node) *match {
	if n.leaf() || !n.only("locks", "leases") {
		return nil
	}
	return &match{kind: KindSemaphore, name: "semaphore", layout: "curator", fill: fillSemaphore}
}

func recognizeNativeQueue(n *node) *match {
	if !n.only("items", "claims", "dead") {
		return nil
	}
	switch {
	case n.has("items"), n.has("claims"):
	case n.has("dead"): // the servers have removed the empty containers beside it
		return &match{kind: KindQueue, name: "queue", layout: "native", or: []string{"folder"}, fill: fillQueue}
	default:
		return nil
	}
	return &match{kind: KindQueue, name: "queue", layout: "native", fill: fillQueue}
}

func recognizeLockingQueue(n *node) *match {
	if !n.has("entries") || !n.only("entries", "taken", "dead") {
		return nil
	}
	return &match{kind: KindQueue, name: "locking queue of Kazoo", layout: "kazoo-locking", fill: fillQueue}
}

func recognizePartitioner(n *node) *match {
	if !n.has("party") || !n.only("party", "locks") {
		return nil
	}
	return &match{kind: KindPartitioner, name: "partitioner of Kazoo", layout: "kazoo", fill: fillPartitioner}
}

var isNumber = matches(`^(0|[1-9]\d{0,9})$`)

func recognizeSlots(n *node) *match {
	slot := func(name string) bool { return name == "waiting" || isNumber(name) }
	if !n.every(slot) || !n.sampled(func(c session.Node) bool { return c.Stat.Ephemeral() || strings.HasSuffix(c.Path, "/waiting") }) {
		return nil
	}
	m := &match{kind: KindSlots, name: "numbered slots", layout: "native", fill: fillSlots}
	if !n.has("waiting") {
		m.or = []string{"group of members"}
	}
	return m
}

func recognizeLease(n *node) *match {
	if !n.has("lease_holder") {
		return nil
	}
	return &match{kind: KindLease, name: "lease of Kazoo", layout: "kazoo", note: "the holder owns until the end that lease_holder states", fill: fillLock}
}

func recognizeLock(n *node) *match {
	count := func(markers ...string) int { return len(contenders(n.names, markers...)) }
	rw := count(markerRead, markerWrite, markerKazooRead)
	plain, kazooPlain := count(markerLock), count(markerKazooLock)
	if rw+plain+kazooPlain == 0 {
		return nil
	}
	m := &match{kind: KindLock, name: "lock", layout: "curator", fill: fillLock}
	if kazooPlain+count(markerKazooRead) > count(lockMarkers...)/2 {
		m.layout = "kazoo"
	}
	foreign := func(library string) bool {
		return slices.ContainsFunc(contenders(n.names, lockMarkers...), func(c contender) bool { return c.library() == library })
	}
	switch {
	case rw > 0:
		m.kind, m.name = KindRWLock, "read/write lock"
	case strings.HasSuffix(n.path, "-"+markerKazooLock):
		m.note = "the line of the semaphore of Kazoo at " + strings.TrimSuffix(n.path, "-"+markerKazooLock)
	case foreign(kazoo):
		m.or = []string{"election of Kazoo"}
	case foreign(curator):
		m.or = []string{"election by Curator's LeaderSelector"}
	}
	return m
}

func recognizeElection(n *node) *match {
	if len(contenders(n.names, markerLatch)) == 0 {
		return nil
	}
	return &match{kind: KindElection, name: "election", layout: "curator", fill: fillElection}
}

// plainQueues are the layouts of queues whose items are the children of their path.
var plainQueues = []struct {
	layout, name string
	item         func(string) bool
}{
	{"curator", "queue of Curator", matches(`^queue-` + sequenceDigits + `(-\d+)?$`)},
	{"curator-priority", "priority queue of Curator", matches(`^queue-[01][0-9A-F]{8}` + sequenceDigits + `(-\d+)?$`)},
	{"curator-delay", "delay queue of Curator", matches(`^queue-\|[0-9A-F]{8,}\|` + sequenceDigits + `(-\d+)?$`)},
	{"curator-id", "queue of Curator with ids", matches(`^queue-\|[^|]*\|` + sequenceDigits + `(-\d+)?$`)},
	{"curator-simple", "simple queue", matches(`^qn-` + sequenceDigits + `$`)},
	{"kazoo", "queue of Kazoo", matches(`^entry-\d{3}-` + sequenceDigits + `$`)},
}

const sequenceDigits = `-?\d{10}`

func recognizePlainQueue(n *node) *match {
	for _, q := range plainQueues {
		if n.any(q.item) {
			return &match{kind: KindQueue, name: q.name, layout: q.layout, fill: fillQueue}
		}
	}
	return nil
}

// recognizeSequentialNodes recognizes a sequence of the naming package. Its nodes exist
// only for a moment.
func recognizeSequentialNodes(n *node) *match {
	if !n.every(func(name string) bool { _, ok := parseContender(name, markerSequence); return ok }) {
		return nil
	}
	return &match{kind: KindSequence, name: "sequence", layout: "sequential-nodes", fill: fillSequence}
}

// roundRecord is the beginning of the data of a double barrier.
const roundRecord = "round\n"

func recognizeRound(n *node) *match {
	if !strings.HasPrefix(string(n.data), roundRecord) {
		return nil
	}
	layout := "curator"
	if strings.Contains(string(n.data), "\nmember_") || n.has("start") || n.any(isSynchronizing) {
		layout = "synchronizing"
	}
	return &match{kind: KindDoubleBarrier, name: "double barrier", layout: layout, fill: fillDoubleBarrier}
}

var isSynchronizing = matches(`^member_-?\d+$`)

// recognizeDoubleBarrier recognizes a double barrier without a record, as other
// libraries leave it.
func recognizeDoubleBarrier(n *node) *match {
	switch {
	case n.has("ready") && n.every(func(name string) bool { return name == "ready" || isUUID(name) || isHex32(name) }):
		return &match{kind: KindDoubleBarrier, name: "double barrier", layout: "curator", fill: fillDoubleBarrier}
	case n.every(func(name string) bool { return isUUID(name) && session.IsGUID(name) }) && n.sampled(isEphemeral):
		return &match{kind: KindDoubleBarrier, name: "double barrier", layout: "curator", fill: fillDoubleBarrier}
	case n.every(isUUID) && n.sampled(isEphemeral):
		return &match{kind: KindDoubleBarrier, name: "double barrier", layout: "curator", or: []string{"group of members"}, fill: fillDoubleBarrier}
	case n.every(isHex32) && n.sampled(isEphemeral):
		return &match{kind: KindDoubleBarrier, name: "double barrier", layout: "kazoo", or: []string{"semaphore of Kazoo"}, fill: fillDoubleBarrier}
	case n.every(func(name string) bool { return name == "start" || isSynchronizing(name) }) && n.any(isSynchronizing) && n.sampled(isMember):
		return &match{kind: KindDoubleBarrier, name: "double barrier", layout: "synchronizing", or: []string{"group of members"}, fill: fillDoubleBarrier}
	}
	return nil
}

func isMember(c session.Node) bool { return c.Stat.Ephemeral() || strings.HasSuffix(c.Path, "/start") }

var isParty = matches(`^[0-9a-f]{32}__party__(-?\d{10})?$`)

var isShallowParty = matches(`^[0-9a-f]{32}-.+$`)

func recognizeParty(n *node) *match {
	switch {
	case n.any(isParty):
		return &match{kind: KindGroup, name: "party of Kazoo", layout: "kazoo-party", fill: fillGroup}
	case n.every(isShallowParty) && n.sampled(isEphemeral):
		return &match{kind: KindGroup, name: "shallow party of Kazoo", layout: "kazoo-shallow-party", fill: fillGroup}
	}
	return nil
}

var isDecimal = matches(`^-?\d+$`)

// recognizeKazooSemaphore recognizes it by the limit that it keeps in its data.
func recognizeKazooSemaphore(n *node) *match {
	line := n.base() + "-" + markerKazooLock
	if !isDecimal(string(n.data)) || !n.every(isHex32) && !(n.leaf() && slices.Contains(n.siblings, line)) {
		return nil
	}
	return &match{kind: KindSemaphore, name: "semaphore", layout: "kazoo", fill: fillKazooSemaphore}
}

// recognizeEmptyLine recognizes the node beside a semaphore of Kazoo while nothing waits.
func recognizeEmptyLine(n *node) *match {
	semaphore, ok := strings.CutSuffix(n.base(), "-"+markerKazooLock)
	if !ok || !n.leaf() || !slices.Contains(n.siblings, semaphore) {
		return nil
	}
	return &match{kind: KindFolder, name: "line of a semaphore of Kazoo", note: "nothing waits for " + semaphore}
}

// recognizeLine recognizes sequential ephemeral nodes with any other names.
func recognizeLine(n *node) *match {
	if !n.every(isSequential) || !n.sampled(isEphemeral) {
		return nil
	}
	return &match{kind: KindLine, name: "line of sequential ephemeral nodes", or: []string{"lock", "election", "group with a master"}, fill: fillLine}
}

func isSequential(name string) bool { return sequenceName.MatchString(name) }

// recognizeSequentialQueue recognizes persistent sequential nodes with one name.
func recognizeSequentialQueue(n *node) *match {
	var first string
	same := func(name string) bool {
		text, _, ok := splitSequence(name)
		if first == "" {
			first = text
		}
		return ok && text == first
	}
	if !n.every(same) || !n.sampled(func(c session.Node) bool { return isPersistent(c) && c.Stat.NumChildren == 0 }) {
		return nil
	}
	return &match{kind: KindQueue, name: "queue of sequential nodes", layout: "curator-simple", or: []string{"persistent sequential nodes"}, fill: fillQueue}
}

// recognizeLeader recognizes an election by a fixed node with a usual name.
func recognizeLeader(n *node) *match {
	if !n.has("master") && !n.has("leader") || len(n.names) != 1 || !n.sampled(isEphemeral) {
		return nil
	}
	return &match{kind: KindElection, name: "election by a fixed node", layout: "fixed", or: []string{"group of members"}, fill: fillLeader}
}

// recognizeGroup recognizes ephemeral nodes of any name.
func recognizeGroup(n *node) *match {
	if n.leaf() || !n.sampled(isEphemeral) {
		return nil
	}
	m := &match{kind: KindGroup, name: "group of members", layout: "curator", fill: fillGroup}
	if len(n.names) == 1 {
		m.or = []string{"election by a fixed node"}
	}
	return m
}

// recognizeFixedNode recognizes an ephemeral node without children.
func recognizeFixedNode(n *node) *match {
	if !n.stat.Ephemeral() {
		return nil
	}
	return &match{kind: KindFixedNode, name: "ephemeral node", or: []string{"election by a fixed node", "member of a group"}, fill: fillFixedNode}
}
