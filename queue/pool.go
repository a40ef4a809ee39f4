package queue

import (
	"cmp"
	"math"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/sequence"
)

// pool is what is known of the names of a queue's items, so that they need not be
// listed for each. All of it may be out of date: whether an item can be taken is
// for the transaction to say that takes it.
type pool struct {
	scheme *scheme

	mu      sync.Mutex
	base    int32               // an upper bound of the sequence numbers, which wrap, or the last number
	ready   heap[entry]         // due, and not known to be claimed
	later   heap[entry]         // not yet due
	claimed map[string]entry    // by others
	held    map[string]struct{} // the names of the claims that others have, as far as known
	out     map[string]absence  // with calls and items of this process, and so in none of the above
	flying  int                 // how many of these are with calls, and may come back any moment
	spread  int                 // how many to choose from, beside those that are asked for
	weight  int                 // how many bytes an item had that was read lately
	again   bool                // an item may have been missed
	changed chan struct{}       // closed when there is more to take
	created sequence.Creations  // of the items past the end
	items   listing
	claims  listing
	blocked error // why an item is claimed that nobody will settle; see Epoch.Blocked

	turn     chan struct{} // has room for the one who lists
	follower *follower
}

// absence is what is known of an item that is out.
type absence struct {
	kept   bool // it will not come back soon
	listed bool // it has been listed meanwhile
}

// entry is the node of an item, or in Curator's layouts of several.
type entry struct {
	name string
	order
}

// widest is the largest spread, in items and in bytes.
const (
	widest      = firstFlight - 1
	widestBytes = 64 << 10
)

func (p *pool) init(s *scheme) {
	p.scheme = s
	p.ready.before = p.before
	p.later.before = func(a, b entry) bool { return a.due < b.due }
	p.claimed = make(map[string]entry)
	p.held = make(map[string]struct{})
	p.out = make(map[string]absence)
	p.changed = make(chan struct{})
	p.items.doubt, p.claims.doubt = make(chan struct{}, 1), make(chan struct{}, 1)
	p.turn = make(chan struct{}, 1)
}

// before is the order of the queue.
func (p *pool) before(a, b entry) bool { return compare(a, b, p.base) < 0 }

func compare(a, b entry, base int32) int {
	switch {
	case a.rank != b.rank:
		return cmp.Compare(a.rank, b.rank)
	case a.number(base) != b.number(base):
		return cmp.Compare(a.number(base), b.number(base))
	case a.created != b.created:
		return cmp.Compare(a.created, b.created)
	case a.seq != b.seq: // of one transaction
		return cmp.Compare(uint32(a.seq-sequence.Last), uint32(b.seq-sequence.Last))
	case a.part != b.part:
		return cmp.Compare(a.part, b.part)
	}
	return cmp.Compare(a.name, b.name)
}

// number is the place of an item's number among others. All past the end are equal.
func (o order) number(base int32) int64 {
	if base == sequence.Last && sequence.PastEnd(o.seq) {
		return math.MaxUint32 + 1
	}
	return int64(uint32(o.seq - base - 1))
}

// take hands out up to n items, the first ones. The caller gives back, keeps or
// drops each.
func (p *pool) take(n int) (es []entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for now := time.Now().UnixMilli(); p.later.len() > 0 && p.later.es[0].due <= now; {
		p.ready.push(p.later.pop())
	}
	for len(es) < n && p.ready.len() > 0 {
		e := p.ready.pop()
		if p.isHeld(e.name) {
			p.claimed[e.name] = e
			continue
		}
		es = append(es, e)
		p.leave(e)
	}
	return es
}

// leave and enter see to out. p.mu is held.
func (p *pool) leave(e entry) {
	p.out[e.name] = absence{}
	p.flying++
}

func (p *pool) enter(e entry) (a absence, ok bool) {
	a, ok = p.out[e.name]
	if ok && !a.kept {
		p.flying--
	}
	delete(p.out, e.name)
	return a, ok
}

func (p *pool) isHeld(name string) bool {
	_, ok := p.held[name]
	return ok
}

// give takes items back: they are still there, for all the caller knows.
func (p *pool) give(es ...entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range es {
		if _, ok := p.enter(e); ok {
			p.add(e)
		}
	}
	if len(es) > 0 {
		p.tell()
	}
}

// keep notes that an item is claimed by this process, or that nobody can do
// anything with it.
func (p *pool) keep(e entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.enter(e)
	p.out[e.name] = absence{kept: true}
	p.tell()
}

// add sorts an item in. p.mu is held.
func (p *pool) add(e entry) {
	switch {
	case p.isHeld(e.name):
		p.claimed[e.name] = e
	case e.due > time.Now().UnixMilli():
		p.later.push(e)
	default:
		p.ready.push(e)
	}
}

// drop forgets items that this process has removed.
func (p *pool) drop(es ...entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range es {
		p.enter(e)
		p.created.Forget(e.name)
	}
	if len(es) > 0 {
		p.tell()
	}
}

// reserve keeps items that are about to come into being from being listed, until
// they are given or dropped.
func (p *pool) reserve(es ...entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range es {
		p.leave(e)
	}
}

// inherit adds items that this process has made in place of others.
func (p *pool) inherit(es ...entry) {
	p.mu.Lock()
	if p.items.created != sequence.Last { // where the count stays
		p.items.created = (p.items.created + int32(len(es))) & math.MaxInt32
	}
	p.mu.Unlock()
	p.give(es...)
}

// lose forgets an item that was not there any more. If it has been listed while it
// was out, it may have been put back in between.
func (p *pool) lose(e entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.created.Forget(e.name)
	if a, _ := p.enter(e); a.listed {
		p.doubt()
	}
	p.tell()
}

// hold takes an item back that somebody else has claimed. That claim may have
// ended already, and with it the last chance to hear of it.
func (p *pool) hold(e entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.enter(e)
	p.held[e.name] = struct{}{}
	p.claimed[e.name] = e
	ring(p.claims.doubt)
	p.tell()
}

// contended and uncontended adapt to others who are after the same items: whoever
// has come too late for one chooses from more, and from fewer each time that goes
// well.
func (p *pool) contended() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spread = min(2*p.spread+1, widest)
}

func (p *pool) uncontended() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spread -= (p.spread + 7) / 8
}

// among tells how many items to look at in order to take n.
func (p *pool) among(n int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return n + min(p.spread, widestBytes/max(p.weight, 1))
}

// weigh notes how many bytes n items had.
func (p *pool) weigh(n, bytes int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.weight = bytes / max(n, 1)
}

// tell wakes those who wait. p.mu is held.
func (p *pool) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// more returns a channel that is closed when there may be more to take, the time
// when the next item is due, zero if there is none, and whether items are with
// calls of this process that may give them back.
func (p *pool) more() (changed <-chan struct{}, due time.Time, flying bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.later.len() > 0 {
		due = time.UnixMilli(p.later.es[0].due)
	}
	return p.changed, due, p.flying > 0
}
