package queue

import (
	"context"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/sequence"
	"github.com/zkrecipes/zkrecipes/session"
)

// listState is when and how a folder was last listed.
type listState struct {
	at      time.Time // zero: never
	names   int
	created int32 // see sequence.Created
	// Past the end of the numbers created stays as it is. Then each create changes
	// the number of children, unless a delete follows, which changes pzxid.
	children int
	pzxid    session.Zxid
	// doubt receives when it may have missed something that no watch tells of.
	relist chan struct{}
}

// A list of n names costs servers and clients about as much as n/200 items do.
// It may be read again after as long as n/20 items take, unless there are so few
// names that it does not matter.
const (
	cheapNames = 128
	namePause  = 5 * time.Microsecond
)

// due tells when the folder may be listed again.
func (l listState) due() time.Time {
	if l.names <= cheapNames {
		return l.at
	}
	return l.at.Add(time.Duration(l.names) * namePause)
}

// hasNew reports whether children may have been created since the folder was listed.
func (l listState) hasNew(st session.Stat) bool {
	n := sequence.Created(st)
	return n != l.created || n == sequence.Last && (st.NumChildren != l.children || st.Pzxid != l.pzxid)
}

// mergeItems takes over a list of the items. If several of them are past the end of
// the numbers, it reads the stats of those that it does not know, in one flight.
func (st *store) mergeItems(ctx context.Context, names []string, stat session.Stat) error {
	past, err := st.readCreated(ctx, names, stat)
	if err == nil {
		st.cache.listItems(names, stat, past)
	}
	return err
}

// readCreated completes pool.created where the order of items depends on it, and
// returns the names of the items concerned.
func (st *store) readCreated(ctx context.Context, names []string, stat session.Stat) (past map[string]bool, err error) {
	if sequence.Created(stat) != sequence.Last {
		return nil, nil
	}
	past = make(map[string]bool)
	for _, name := range names {
		if o, ok := st.spec.parse(name); ok && o.pastEnd() {
			past[name] = true
		}
	}
	if len(past) < 2 {
		return nil, nil
	}
	return inEpoch(ctx, st, "list", func(ep *session.Epoch) (map[string]bool, error) {
		return past, st.cache.created.Read(ctx, ep, st.items, past)
	})
}

// listItems takes over a list of the items. Those in past are left out if it is not
// known when they were created, since they have gone.
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
		o, ok := p.spec.parse(name)
		if !ok {
			continue
		}
		if a, out := p.taken[name]; out {
			a.listed = true
			p.taken[name] = a
			continue
		}
		if past[name] {
			if o.created, ok = p.created.Of(name); !ok {
				continue
			}
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

// ended reports whether the folder has given out its last number, and stays there.
func (p *itemCache) ended() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.base == sequence.Last
}

// listClaims takes over a list of the claims.
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

// claimsPause is how long at most the end of somebody's claim goes unnoticed by a
// consumer that has other items to take.
const claimsPause = 100 * time.Millisecond

// needList tells which folders to list again before anything is taken: the claims, if
// one of them may have ended, and the items, if one of them may have been missed.
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

// itemsChanged tells from the Stat of the items' folder whether to list it again.
func (p *itemCache) itemsChanged(st session.Stat) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.items.hasNew(st) && !time.Now().Before(p.items.due())
}

// itemsDue and claimsDue tell when the folders may be listed again.
func (p *itemCache) itemsDue() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.items.due()
}

func (p *itemCache) claimsDue() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.claims.due()
}

// itemsPutBack notes that items have been put back that the pool does not know of.
func (p *itemCache) itemsPutBack() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.relistItems()
}

// relistItems has the items listed again. p.mu is held.
func (p *itemCache) relistItems() {
	p.mayHaveMissed = true
	signal(p.items.relist)
}

func signal(bell chan struct{}) {
	select {
	case bell <- struct{}{}:
	default:
	}
}
