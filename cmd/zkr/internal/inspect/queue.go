package inspect

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// queueNodes are where the nodes of a queue's layout are. Without items they are the
// children of its path.
type queueNodes struct{ items, claims, dead string }

func nodesOf(layout string) queueNodes {
	switch layout {
	case "native":
		return queueNodes{"items", "claims", "dead"}
	case "kazoo-locking":
		return queueNodes{"entries", "taken", "dead"}
	}
	return queueNodes{}
}

// itemKey is the position of an item, from its name.
type itemKey struct {
	name string
	rank string // the priority or the due time; lower first
	seq  int32
	due  time.Time // zero if the item is due
}

// minRequeues is the due time up to which it only counts how often an item was put back.
const minRequeues = 1 << 20

// The parts of names: the priority, the due time, and the sequence number.
var (
	nativeItem   = regexp.MustCompile(`^([0-9a-f]{8})-([0-9a-f]{11})-[0-9a-f-]{36}-(-?\d{10})(-[0-9a-f]{16})?$`)
	priorityItem = regexp.MustCompile(`^queue-([01][0-9A-F]{8})()(-?\d{10})`)
	delayItem    = regexp.MustCompile(`^queue-\|()([0-9A-F]+)\|(-?\d{10})`)
	plainItem    = regexp.MustCompile(`^queue-()()(-?\d{10})`)
	idItem       = regexp.MustCompile(`^queue-\|()[^|]*()\|(-?\d{10})`)
	kazooItem    = regexp.MustCompile(`^entry-(\d{3})()-(-?\d{10})$`)
	otherItem    = regexp.MustCompile(`^()().*?(-?\d{10})$`)

	itemNames = map[string]*regexp.Regexp{
		"native": nativeItem, "curator-priority": priorityItem, "curator-delay": delayItem, "curator": plainItem, "curator-id": idItem,
		"kazoo": kazooItem, "kazoo-locking": kazooItem,
	}
)

// itemKeys returns the items among names, in order.
func itemKeys(layout string, names []string) []itemKey {
	pattern := itemNames[layout]
	if pattern == nil {
		pattern = otherItem
	}
	var keys []itemKey
	for _, name := range names {
		m := pattern.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		digits := m[3]
		if pattern == otherItem {
			digits = strings.TrimPrefix(digits, "-")
		}
		seq, ok := parseSequence(digits)
		if !ok {
			continue
		}
		k := itemKey{name: name, rank: m[1], seq: seq}
		if due, err := strconv.ParseInt(m[2], 16, 64); err == nil && due > minRequeues {
			k.due = time.UnixMilli(due)
			if layout == "curator-delay" {
				k.rank = fmt.Sprintf("%016x", due)
			}
		}
		keys = append(keys, k)
	}
	slices.SortStableFunc(keys, func(a, b itemKey) int { return cmp.Or(strings.Compare(a.rank, b.rank), compareSequence(a.seq, b.seq)) })
	return keys
}

// itemID returns the id of an item in the output of zkr: in the native layout a part of
// the name.
func itemID(layout, name string) string {
	const start, end = 8 + 1 + 11 + 1, 8 + 1 + 11 + 1 + 36
	if layout == "native" && nativeItem.MatchString(name) {
		return name[start:end]
	}
	return name
}

// manyAttempts is how many claims of one item are a finding.
const manyAttempts = 3

func fillQueue(ctx context.Context, f *filler) error {
	at := nodesOf(f.out.Layout)
	items, dir := listing{names: f.node.names, stat: f.node.stat}, f.node.path
	var err error
	if at.items != "" {
		dir = session.Join(f.node.path, at.items)
		if items, err = f.children(ctx, at.items); err != nil {
			return err
		}
	}
	keys := itemKeys(f.out.Layout, items.names)
	q := &Queue{Length: len(keys)}
	f.out.Queue = q
	claimed, err := f.fillClaims(ctx, at.claims)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if claimed[k.name] {
			q.Claimed++
		}
	}
	if err := f.fillItems(ctx, dir, keys, claimed); err != nil {
		return err
	}
	f.findSequenceEnd(items.stat)
	return f.fillDead(ctx, at.dead)
}

func (f *filler) itemID(path string) string {
	_, name := session.Split("/" + path)
	return itemID(f.out.Layout, name)
}

// fillClaims reads the claims, and returns the names of the claimed items.
func (f *filler) fillClaims(ctx context.Context, claims string) (map[string]bool, error) {
	if claims == "" {
		return nil, nil
	}
	l, err := f.children(ctx, claims)
	if err != nil {
		return nil, err
	}
	f.out.Owners, err = f.participants(ctx, session.Join(f.node.path, claims), l.names, "claims")
	f.out.OwnerCount = len(l.names)
	for i := range f.out.Owners {
		f.out.Owners[i].Data = f.itemID(f.out.Owners[i].Node)
	}
	heldSinceCreation(f.out.Owners)
	claimed := make(map[string]bool)
	for _, name := range l.names {
		claimed[name] = true
	}
	return claimed, err
}

// fillItems reads the first items.
func (f *filler) fillItems(ctx context.Context, dir string, keys []itemKey, claimed map[string]bool) error {
	q, now := f.out.Queue, time.Now()
	delayed := func(k itemKey) bool { return k.due.After(now) }
	var next time.Time
	head := ""
	for _, k := range keys {
		switch {
		case claimed[k.name]:
		case delayed(k):
			q.Delayed++
			if next.IsZero() || k.due.Before(next) {
				next = k.due
			}
		case head == "":
			head = k.name
		}
	}
	if head == "" && q.Delayed > 0 && q.Claimed == 0 {
		f.out.add(CauseNotDue, "", "no item is due before "+next.UTC().Format(time.RFC3339))
	}
	names := make([]string, 0, min(len(keys), f.reader.limits.Participants))
	for _, k := range keys[:min(len(keys), f.reader.limits.Participants)] {
		names = append(names, k.name)
	}
	if left := len(keys) - len(names); left > 0 {
		f.out.LeftOut = append(f.out.LeftOut, fmt.Sprintf("ages and attempts of %d of %d items", left, len(keys)))
	}
	stats, err := f.reader.stats(ctx, join(dir, names))
	if err != nil {
		return err
	}
	for _, n := range stats {
		if n.Err != nil {
			continue
		}
		if since := n.Stat.Ctime.UTC(); q.Oldest == nil || since.Before(*q.Oldest) {
			q.Oldest = &since
		}
		if attempts := int(n.Stat.Version); f.out.Layout != "kazoo" && attempts >= manyAttempts {
			f.out.add(CauseAttempts, f.below(n.Path), fmt.Sprintf("the item %s was claimed %d times and is still in the queue: its consumers fail or die (zkr queue work --attempts makes it a dead letter)", f.itemID(n.Path), attempts))
		}
	}
	if head == "" {
		return nil
	}
	ns, err := f.reader.nodes(ctx, join(dir, []string{head}))
	for _, n := range ns {
		if n.Err == nil {
			q.Head = &Item{head, itemID(f.out.Layout, head), n.Stat.Ctime.UTC(), int(n.Stat.Version), n.Stat.DataLength, itemLine(n)}
		}
	}
	return err
}

// itemLine is firstLine of an item, which may be framed as Curator's are.
func itemLine(n session.Node) string {
	const header = 4 + 1 + 4
	data := n.Data
	if len(data) > header && string(data[:5]) == "\x00\x01\x00\x01\x01" {
		size := int(data[5])<<24 | int(data[6])<<16 | int(data[7])<<8 | int(data[8])
		if size >= 0 && header+size < len(data) {
			return firstLine(data[header : header+size])
		}
	}
	return dataLine(data, n.Stat)
}

// maxDead is the number of dead letters that a report shows.
const maxDead = 20

// fillDead reads the dead letters, which are below or beside the queue.
func (f *filler) fillDead(ctx context.Context, dead string) error {
	dir := f.node.path + "-dead"
	if dead != "" {
		dir = session.Join(f.node.path, dead)
	} else if f.node.path == "/" {
		return nil
	}
	ls, err := f.reader.list(ctx, []string{dir})
	if err != nil {
		return err
	}
	names := ls[0].names
	f.out.Queue.DeadLetters = len(names)
	if len(names) == 0 {
		return nil
	}
	var paths []string
	for _, name := range names[:min(len(names), maxDead)] {
		paths = append(paths, session.Join(dir, name)+"/error")
	}
	ns, err := f.reader.peek(ctx, paths)
	if err != nil {
		return err
	}
	last := DeadLetter{}
	for _, n := range ns {
		var why struct {
			Error    string `json:"error"`
			Attempts int    `json:"attempts"`
		}
		if n.Err != nil || json.Unmarshal(n.Data, &why) != nil {
			continue
		}
		letter, _ := session.Split(n.Path)
		_, name := session.Split(letter)
		d := DeadLetter{name, itemID(f.out.Layout, name), n.Stat.Ctime.UTC(), firstLine([]byte(why.Error)), why.Attempts}
		f.out.Queue.Dead = append(f.out.Queue.Dead, d)
		if !d.Since.Before(last.Since) {
			last = d
		}
	}
	text := count(len(names), "dead letter", "dead letters")
	if last.Reason != "" {
		text += fmt.Sprintf("; the reason of one, after %s: %s", count(last.Attempts, "attempt", "attempts"), last.Reason)
	}
	f.out.add(CauseDeadLetters, "", text)
	return nil
}
