package queue

import (
	"context"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/sequence"
	"github.com/zkrecipes/zkrecipes/session"
)

// listState describes the last listing of a parent.
type listState struct {
	at      time.Time // zero if never listed
	names   int
	created int32 // see sequence.Created
	// At the last sequence number, created does not change any more. Then each
	// create changes the number of children, unless a delete follows, which changes
	// pzxid.
	children int
	pzxid    session.Zxid
	// relist receives if a change may have been missed that triggers no watch.
	relist chan struct{}
}

// Listing n names costs servers and clients about as much as n/200 items. A listing
// may be repeated after the time that n/20 items take, or immediately if there are
// few names.
const (
	cheapNames = 128
	namePause  = 5 * time.Microsecond
)

// due returns when the parent may be listed again at the earliest.
func (l listState) due() time.Time {
	if l.names <= cheapNames {
		return l.at
	}
	return l.at.Add(time.Duration(l.names) * namePause)
}

// hasNew reports whether children may have been created since the listing.
func (l listState) hasNew(st session.Stat) bool {
	n := sequence.Created(st)
	return n != l.created || n == sequence.Last && (st.NumChildren != l.children || st.Pzxid != l.pzxid)
}

// mergeItems merges a listing of the items into the cache. If several of them are
// past the last sequence number, it reads the stats of those that it does not know,
// in one round trip.
func (st *store) mergeItems(ctx context.Context, names []string, stat session.Stat) error {
	past, err := st.readCreated(ctx, names, stat)
	if err == nil {
		st.cache.listItems(names, stat, past)
	}
	return err
}

// readCreated adds to cache.created the items whose order depends on it, and
// returns the names of all such items.
func (st *store) readCreated(ctx context.Context, names []string, stat session.Stat) (past map[string]bool, err error) {
	if sequence.Created(stat) != sequence.Last {
		return nil, nil
	}
	past = make(map[string]bool)
	n := 0
	for _, name := range names {
		if o, ok := st.spec.parse(name); ok && o.pastEnd() {
			n++
			if !o.restored {
				past[name] = true
			}
		}
	}
	if n < 2 || len(past) == 0 {
		return nil, nil
	}
	return inEpoch(ctx, st, "list", func(ep *session.Epoch) (map[string]bool, error) {
		return past, st.cache.created.Read(ctx, ep, st.items, past)
	})
}

// beginListing blocks until no other call lists. The caller must call endListing.
func (p *itemCache) beginListing(ctx context.Context) error {
	select {
	case p.listing <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deleted = make(map[string]struct{})
	return nil
}

func (p *itemCache) endListing() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deleted = nil
	<-p.listing
}

// listItems replaces the items in the cache by a listing. Items in past whose time
// of creation is not known have been deleted and are left out.
func (p *itemCache) listItems(names []string, st session.Stat, past map[string]bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mayHaveMissed = false
	p.items.at, p.items.names = time.Now(), len(names)
	p.items.created, p.items.children, p.items.pzxid = sequence.Created(st), st.NumChildren, st.Pzxid
	p.base = p.items.created
	clear(p.claimed)
	now := p.items.at.UnixMilli()
	ready, later := make([]entry, 0, len(names)), []entry(nil)
	for _, name := range names {
		if a, out := p.taken[name]; out {
			a.listed = true
			p.taken[name] = a
			continue
		}
		if _, ok := p.deleted[name]; ok {
			continue
		}
		o, ok := p.keyOf(name, past)
		if !ok {
			continue
		}
		switch e := (entry{name, o}); {
		case p.isClaimed(name):
			p.claimed[name] = e
		case o.due > now:
			later = append(later, e)
		default:
			ready = append(ready, e)
		}
	}
	p.ready.fill(ready)
	p.later.fill(later)
	p.notify()
}

// keyOf returns the sort key of an item that was listed, with its czxid if it is in past.
// ok is false if name is not the name of an item, or if the item was deleted since.
func (p *itemCache) keyOf(name string, past map[string]bool) (o sortKey, ok bool) {
	if o, ok = p.spec.parse(name); ok && past[name] {
		o.created, ok = p.created.Of(name)
	}
	return o, ok
}

// ended reports whether the parent of the items has used its last sequence number.
func (p *itemCache) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.base == sequence.Last
}

// listClaims replaces the claims in the cache by a listing.
func (p *itemCache) listClaims(names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.claims.at, p.claims.names = time.Now(), len(names)
	clear(p.foreignClaims)
	for _, name := range names {
		if _, out := p.taken[name]; !out {
			p.foreignClaims[name] = struct{}{}
		}
	}
	for name, e := range p.claimed {
		if !p.isClaimed(name) {
			delete(p.claimed, name)
			p.add(e)
		}
	}
	p.notify()
}

// claimsPause is how long the end of another client's claim goes unnoticed, at
// most, by a consumer that has other items to take.
const claimsPause = 100 * time.Millisecond

// needList reports what to list again before items are taken: the claims, if one of
// them may have ended, and the items, if one of them may have been missed.
func (p *itemCache) needList() (claims, items bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := p.claims.due()
	if pause := p.claims.at.Add(claimsPause); pause.After(next) {
		next = pause
	}
	now := time.Now()
	return len(p.claimed) > 0 && now.After(next), p.mayHaveMissed && !now.Before(p.items.due())
}

// itemsChanged reports whether the items should be listed again, from the Stat of
// their parent.
func (p *itemCache) itemsChanged(st session.Stat) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.items.hasNew(st) && !time.Now().Before(p.items.due())
}

// itemsDue returns when the items may be listed again at the earliest.
func (p *itemCache) itemsDue() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.items.due()
}

// claimsDue returns when the claims may be listed again at the earliest.
func (p *itemCache) claimsDue() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.claims.due()
}

// itemsPutBack records that items that are not in the cache were put back.
func (p *itemCache) itemsPutBack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.relistItems()
}

// relistItems schedules a listing of the items. p.mu is held.
func (p *itemCache) relistItems() {
	p.mayHaveMissed = true
	signal(p.items.relist)
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
