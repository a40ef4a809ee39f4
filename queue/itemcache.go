package queue

import (
	"cmp"
	"math"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/sequence"
)

// itemCache is what is known of the names of a queue's items, so that they need not be
// listed for each. All of it may be out of date: whether an item can be taken is
// for the transaction to say that takes it.
type itemCache struct {
	spec *layoutSpec

	mu            sync.Mutex
	base          int32                // an upper bound of the sequence numbers, which wrap, or the last number
	ready         heap[entry]          // due, and not known to be claimed
	later         heap[entry]          // not yet due
	claimed       map[string]entry     // by others
	foreignClaims map[string]struct{}  // the names of the claims that others have, as far as known
	taken         map[string]takenItem // with calls and items of this process, and so in none of the above
	inFlight      int                  // how many of these are with calls, and may come back any moment
	window        int                  // how many to choose from, beside those that are asked for
	itemSize      int                  // how many bytes an item had that was read lately
	mayHaveMissed bool                 // an item may have been missed
	changed       chan struct{}        // closed when there is more to take
	created       sequence.Creations   // of the items past the end
	items         listState
	claims        listState
	blocked       error // why an item is claimed that nobody will settle; see Epoch.Blocked

	listing  chan struct{} // has room for the one who lists
	follower *follower
}

// takenItem is what is known of an item that is out.
type takenItem struct {
	retained bool // it will not come back soon
	listed   bool // it has been listed meanwhile
}

// entry is the node of an item, or in Curator's layouts of several.
type entry struct {
	name string
	key  sortKey
}

// widestWindow is the largest spread, in items and in bytes.
const (
	widestWindow      = firstBatch - 1
	widestWindowBytes = 64 << 10
)

func (p *itemCache) open(s *layoutSpec) {
	p.spec = s
	p.ready.before = p.before
	p.later.before = func(a, b entry) bool { return a.key.due < b.key.due }
	p.claimed = make(map[string]entry)
	p.foreignClaims = make(map[string]struct{})
	p.taken = make(map[string]takenItem)
	p.changed = make(chan struct{})
	p.items.relist, p.claims.relist = make(chan struct{}, 1), make(chan struct{}, 1)
	p.listing = make(chan struct{}, 1)
}

// before is the order of the queue.
func (p *itemCache) before(a, b entry) bool { return compare(a, b, p.base) < 0 }

func compare(a, b entry, base int32) int {
	switch {
	case a.key.rank != b.key.rank:
		return cmp.Compare(a.key.rank, b.key.rank)
	case a.key.number(base) != b.key.number(base):
		return cmp.Compare(a.key.number(base), b.key.number(base))
	case a.key.created != b.key.created:
		return cmp.Compare(a.key.created, b.key.created)
	case a.key.seq != b.key.seq: // of one transaction
		return cmp.Compare(uint32(a.key.seq-sequence.Last), uint32(b.key.seq-sequence.Last))
	case a.key.part != b.key.part:
		return cmp.Compare(a.key.part, b.key.part)
	}
	return cmp.Compare(a.name, b.name)
}

// number is the place of an item's number among others. All past the end are equal.
func (o sortKey) number(base int32) int64 {
	if base == sequence.Last && sequence.PastEnd(o.seq) {
		return math.MaxUint32 + 1
	}
	return int64(uint32(o.seq - base - 1))
}

// take hands out up to n items, the first ones. The caller gives back, keeps or
// drops each.
func (p *itemCache) take(n int) (es []entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for now := time.Now().UnixMilli(); p.later.len() > 0 && p.later.es[0].key.due <= now; {
		p.ready.push(p.later.pop())
	}
	for len(es) < n && p.ready.len() > 0 {
		e := p.ready.pop()
		if p.isClaimed(e.name) {
			p.claimed[e.name] = e
			continue
		}
		es = append(es, e)
		p.markTaken(e)
	}
	return es
}

// markTaken and enter see to out. p.mu is held.
func (p *itemCache) markTaken(e entry) {
	p.taken[e.name] = takenItem{}
	p.inFlight++
}

func (p *itemCache) unmarkTaken(e entry) (a takenItem, ok bool) {
	a, ok = p.taken[e.name]
	if ok && !a.retained {
		p.inFlight--
	}
	delete(p.taken, e.name)
	return a, ok
}

func (p *itemCache) isClaimed(name string) bool {
	_, ok := p.foreignClaims[name]
	return ok
}

// putBack takes items back: they are still there, for all the caller knows.
func (p *itemCache) putBack(es ...entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range es {
		if _, ok := p.unmarkTaken(e); ok {
			p.add(e)
		}
	}
	if len(es) > 0 {
		p.notify()
	}
}

// retain notes that an item is claimed by this process, or that nobody can do
// anything with it.
func (p *itemCache) retain(e entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unmarkTaken(e)
	p.taken[e.name] = takenItem{retained: true}
	p.notify()
}

// add sorts an item in. p.mu is held.
func (p *itemCache) add(e entry) {
	switch {
	case p.isClaimed(e.name):
		p.claimed[e.name] = e
	case e.key.due > time.Now().UnixMilli():
		p.later.push(e)
	default:
		p.ready.push(e)
	}
}

// removed forgets items that this process has removed.
func (p *itemCache) removed(es ...entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range es {
		p.unmarkTaken(e)
		p.created.Forget(e.name)
	}
	if len(es) > 0 {
		p.notify()
	}
}

// hide keeps items that are about to come into being from being listed, until
// they are given or dropped.
func (p *itemCache) hide(es ...entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range es {
		p.markTaken(e)
	}
}

// addRemainders adds items that this process has made in place of others.
func (p *itemCache) addRemainders(es ...entry) {
	p.mu.Lock()
	if p.items.created != sequence.Last { // where the count stays
		p.items.created = (p.items.created + int32(len(es))) & math.MaxInt32
	}
	p.mu.Unlock()
	p.putBack(es...)
}

// notFound forgets an item that was not there any more. If it has been listed while it
// was out, it may have been put back in between.
func (p *itemCache) notFound(e entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.created.Forget(e.name)
	if a, _ := p.unmarkTaken(e); a.listed {
		p.relistItems()
	}
	p.notify()
}

// claimedByOther takes an item back that somebody else has claimed. That claim may have
// ended already, and with it the last chance to hear of it.
func (p *itemCache) claimedByOther(e entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unmarkTaken(e)
	p.foreignClaims[e.name] = struct{}{}
	p.claimed[e.name] = e
	signal(p.claims.relist)
	p.notify()
}

// widenWindow and uncontended adapt to others who are after the same items: whoever
// has come too late for one chooses from more, and from fewer each time that goes
// well.
func (p *itemCache) widenWindow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.window = min(2*p.window+1, widestWindow)
}

func (p *itemCache) narrowWindow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.window -= (p.window + 7) / 8
}

// candidates tells how many items to look at in order to take n.
func (p *itemCache) candidates(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return n + min(p.window, widestWindowBytes/max(p.itemSize, 1))
}

// noteSize notes how many bytes n items had.
func (p *itemCache) noteSize(n, bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.itemSize = bytes / max(n, 1)
}

// notify wakes those who wait. p.mu is held.
func (p *itemCache) notify() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// state returns a channel that is closed when there may be more to take, the time
// when the next item is due, zero if there is none, and whether items are with
// calls of this process that may give them back.
func (p *itemCache) state() (changed <-chan struct{}, due time.Time, flying bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.later.len() > 0 {
		due = time.UnixMilli(p.later.es[0].key.due)
	}
	return p.changed, due, p.inFlight > 0
}
