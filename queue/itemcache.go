package queue

import (
	"cmp"
	"math"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/sequence"
)

// itemCache is a cache of the names of a queue's items, so that they need not be
// listed for each call. All of it may be out of date: only the transaction that
// takes an item decides whether it can be taken.
//
// An item has these states on the servers:
//
//	         Push                  Pop
//	(none) ---------> queued -------------------------------> (none)
//	                   | ^  |                                  ^ ^
//	             Claim | |  | corrupt                          | |
//	                   | |  +----------------------------+     | |
//	                   v | Nack, Release, claim lost     |     | |
//	                 claimed --------------------------- | ----+ |
//	                   |           Ack                   v       |
//	                   +-----------------------------> dead -----+
//	                      Bury, last attempt failed     |   Drop
//	                                                    | Requeue
//	                                                    v
//	                                                  queued
//
// The cache of a process keeps an item in one of these states. A listing of the
// items sorts each item that is neither in flight nor retained into later, ready or
// claimed.
//
//	       due           take             retain
//	later -----> ready --------> in flight ------> retained
//	             | ^   putBack     | |  |           |   |
//	             | +---------------+-|--|-----------+   |
//	  take finds |                   |  |               |
//	 a claim of  |                   |  | removed,      | removed
//	     another |                   |  | notFound      |
//	      client v   claimedByOther  |  v               v
//	           claimed <-------------+   (none)       (none)
//	             |
//	             | the claim is not listed any more
//	             v
//	       ready or later
type itemCache struct {
	spec *layoutSpec

	mu            sync.Mutex
	base          int32                // an upper bound of the sequence numbers, which wrap around, or the last number
	ready         heap[entry]          // due and not known to be claimed
	later         heap[entry]          // not yet due
	claimed       map[string]entry     // by other clients
	foreignClaims map[string]struct{}  // the names of the known claims of other clients
	taken         map[string]takenItem // used by calls and Items of this process, and in none of the above
	inFlight      int                  // how many of taken are used by calls, which may put them back at any moment
	window        int                  // how many candidates to take in addition to the requested number
	itemSize      int                  // the mean number of bytes of the items read last
	mayHaveMissed bool                 // the cache may lack an item that exists
	changed       chan struct{}        // closed when there may be more to take
	created       sequence.Creations   // of the items past the last sequence number
	items         listState
	claims        listState
	blocked       error // set if a claim is an ownerless node; see checkClaims

	listing  chan struct{}       // semaphore: one call lists at a time
	deleted  map[string]struct{} // by this process during the listing, which may still contain them
	follower *follower
}

// takenItem is the state of an item in taken.
type takenItem struct {
	retained bool // it will not be put back soon
	listed   bool // it was in a listing since it was taken
}

// entry is the node of an item, or in Curator's layouts of several items.
type entry struct {
	name string
	key  sortKey
}

// widestWindow is the largest number of additional candidates, widestWindowBytes
// the largest number of their bytes.
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

// before reports whether a precedes b in the queue.
func (p *itemCache) before(a, b entry) bool { return compare(a, b, p.base) < 0 }

func compare(a, b entry, base int32) int {
	switch {
	case a.key.rank != b.key.rank:
		return cmp.Compare(a.key.rank, b.key.rank)
	case a.key.number(base) != b.key.number(base):
		return cmp.Compare(a.key.number(base), b.key.number(base))
	case a.key.created != b.key.created:
		return cmp.Compare(a.key.created, b.key.created)
	case a.key.seq != b.key.seq: // created in one transaction
		return cmp.Compare(uint32(a.key.seq-sequence.Last), uint32(b.key.seq-sequence.Last))
	case a.key.part != b.key.part:
		return cmp.Compare(a.key.part, b.key.part)
	}
	return cmp.Compare(a.name, b.name)
}

// number returns the position of an item's sequence number in the order of numbers.
// All numbers past the last one are equal.
func (o sortKey) number(base int32) int64 {
	if base == sequence.Last && sequence.PastEnd(o.seq) {
		return math.MaxUint32 + 1
	}
	return int64(uint32(o.seq - base - 1))
}

// take returns up to n items, the first ones, and marks them as taken. The caller
// puts back, retains or removes each.
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

// markTaken adds an item to taken. p.mu is held.
func (p *itemCache) markTaken(e entry) {
	p.taken[e.name] = takenItem{}
	p.inFlight++
}

// unmarkTaken removes an item from taken. p.mu is held.
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

// putBack returns taken items to the cache. As far as the caller knows, they still
// exist.
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

// retain keeps an item out of the candidates, because this process has claimed it
// or because no consumer can use it.
func (p *itemCache) retain(e entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unmarkTaken(e)
	p.taken[e.name] = takenItem{retained: true}
	p.notify()
}

// add adds an item to claimed, later or ready. p.mu is held.
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

// removed removes from the cache the items that this process has deleted.
func (p *itemCache) removed(es ...entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(es)
	if p.deleted != nil {
		for _, e := range es {
			p.deleted[e.name] = struct{}{}
		}
	}
}

// release leaves taken items to the next listing, which may contain them.
func (p *itemCache) release(es ...entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(es)
	for _, e := range es {
		delete(p.deleted, e.name)
	}
}

// drop removes taken items from the cache. p.mu is held.
func (p *itemCache) drop(es []entry) {
	for _, e := range es {
		p.unmarkTaken(e)
		p.created.Forget(e.name)
	}
	if len(es) > 0 {
		p.notify()
	}
}

// hide marks items that are about to be created as taken, so that a listing does
// not add them before putBack or release is called for them.
func (p *itemCache) hide(es ...entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range es {
		p.markTaken(e)
	}
}

// addRemainders adds items that this process has created in place of others.
func (p *itemCache) addRemainders(es ...entry) {
	p.mu.Lock()
	if p.items.created != sequence.Last { // at the last number, the count stays
		p.items.created = (p.items.created + int32(len(es))) & math.MaxInt32
	}
	p.mu.Unlock()
	p.putBack(es...)
}

// notFound removes an item whose node did not exist. If the item was listed while
// it was taken, another client may have put it back in between, so the items are
// listed again.
func (p *itemCache) notFound(e entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.created.Forget(e.name)
	if a, _ := p.unmarkTaken(e); a.listed {
		p.relistItems()
	}
	p.notify()
}

// claimedByOther returns a taken item that another client has claimed. That claim
// may have ended already, and then no later event reports it, so the claims are
// listed again.
func (p *itemCache) claimedByOther(e entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unmarkTaken(e)
	p.foreignClaims[e.name] = struct{}{}
	p.claimed[e.name] = e
	signal(p.claims.relist)
	p.notify()
}

// widenWindow increases the number of additional candidates after a conflict:
// consumers that choose among more items conflict less often.
func (p *itemCache) widenWindow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.window = min(2*p.window+1, widestWindow)
}

// narrowWindow decreases the number of additional candidates after a transaction
// without conflict.
func (p *itemCache) narrowWindow() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.window -= (p.window + 7) / 8
}

// candidates returns how many items to read in order to take n.
func (p *itemCache) candidates(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return n + min(p.window, widestWindowBytes/max(p.itemSize, 1))
}

// noteSize records that n items had the given number of bytes.
func (p *itemCache) noteSize(n, bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.itemSize = bytes / max(n, 1)
}

// notify wakes the waiting calls. p.mu is held.
func (p *itemCache) notify() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// state returns a channel that is closed when there may be more to take; the time
// when the next item is due, zero if there is none; and whether calls of this
// process have items that they may put back.
func (p *itemCache) state() (changed <-chan struct{}, due time.Time, putBackPossible bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.later.len() > 0 {
		due = time.UnixMilli(p.later.es[0].key.due)
	}
	return p.changed, due, p.inFlight > 0
}
