package lock

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/lease"
	"github.com/zkrecipes/zkrecipes/internal/line"
	"github.com/zkrecipes/zkrecipes/session"
)

// cohort is those of one session who want the same lock, of whom one at a time
// has the node, or stands in line with it. It is the cohort lock of Dice, Marathe
// and Shavit.
type cohort struct {
	key cohortKey

	// under cohorts.Mutex
	waiting []chan baton // each with room for one
	holder  *lease.Lease
	passed  int // how often the node has been handed on in a row
}

// baton is what one of a cohort hands on to the next: a node that owns, a place in
// line, or only the turn to stand in line.
type baton struct {
	claim *lease.Claim
	place *line.Place
}

type cohortKey struct {
	session  *session.Session
	path, id string
	naming   Naming
	stopTime time.Duration
}

// cohorts are those of which somebody holds the lock, or wants it.
var cohorts = struct {
	sync.Mutex
	m map[cohortKey]*cohort
}{m: make(map[cohortKey]*cohort)}

// join enters the cohort. Whoever has no turn to wait for has it already.
func join(key cohortKey, try bool) (c *cohort, turn chan baton) {
	cohorts.Lock()
	defer cohorts.Unlock()
	c = cohorts.m[key]
	if c == nil {
		c = &cohort{key: key}
		cohorts.m[key] = c
		return c, nil
	}
	turn = make(chan baton, 1)
	if !try {
		c.waiting = append(c.waiting, turn)
	}
	return c, turn
}

// handOn gives the turn to the next, and leaves a place that nobody wants.
func (c *cohort) handOn(b baton) {
	cohorts.Lock()
	given := c.give(b)
	cohorts.Unlock()
	if !given && b.place != nil {
		b.place.Leave()
	}
}

// give gives the turn to the next, and reports whether there is one. If not, the
// cohort is over. cohorts is locked.
func (c *cohort) give(b baton) bool {
	c.holder = nil
	if b.claim == nil {
		c.passed = 0
	}
	if len(c.waiting) == 0 {
		delete(cohorts.m, c.key)
		return false
	}
	c.waiting[0] <- b
	c.waiting = slices.Delete(c.waiting, 0, 1)
	return true
}

// withdraw gives up waiting for the turn. If it has come just now, it goes on to
// the next.
func (c *cohort) withdraw(ctx context.Context, turn chan baton, t *turn, n int) {
	cohorts.Lock()
	i := slices.Index(c.waiting, turn)
	if i >= 0 {
		c.waiting = slices.Delete(c.waiting, i, i+1)
	}
	cohorts.Unlock()
	if i >= 0 {
		return
	}
	b := <-turn
	if b.claim == nil {
		c.handOn(b)
		return
	}
	c.unlock(ctx, c.hold(ctx, *b.claim, t), n)
}

// hold makes a claim the holder's lease.
func (c *cohort) hold(ctx context.Context, claim lease.Claim, t *turn) *lease.Lease {
	l := lease.Begin(ctx, claim, t.terms)
	cohorts.Lock()
	c.holder = l
	cohorts.Unlock()
	context.AfterFunc(l.Context(), func() { // in case it is lost
		cohorts.Lock()
		defer cohorts.Unlock()
		if c.holder == l {
			c.give(baton{})
		}
	})
	return l
}

// unlock hands the node on, if somebody waits for it and it has not been handed on
// n times in a row, and else releases it.
func (c *cohort) unlock(ctx context.Context, l *lease.Lease, n int) error {
	cohorts.Lock()
	if c.holder != l { // it is lost, or unlocked
		cohorts.Unlock()
		return l.Release(ctx)
	}
	c.holder = nil // the turn is handed on here
	on := len(c.waiting) > 0 && c.passed < n
	cohorts.Unlock()
	if on {
		if claim, err := l.Pass(ctx); err == nil {
			cohorts.Lock()
			c.passed++
			given := c.give(baton{claim: &claim})
			cohorts.Unlock()
			if given {
				return nil
			}
			l = lease.Begin(ctx, claim, lease.Terms{Lost: ErrLost, Released: ErrReleased}) // they have left meanwhile
			return l.Release(ctx)
		}
	}
	c.handOn(baton{}) // who stands in line behind this node, or has nothing to wait for
	return l.Release(ctx)
}

// lock waits for the turn, and then in line.
func (c *cohort) lock(ctx context.Context, turn chan baton, t *turn, n int) (*lease.Lease, error) {
	var b baton
	if turn != nil {
		select {
		case b = <-turn:
		case <-ctx.Done():
			c.withdraw(ctx, turn, t, n)
			return nil, &session.OpError{Op: "wait in line at", Path: t.line.Path, Err: context.Cause(ctx)}
		}
	}
	if b.claim == nil {
		claim, place, err := standing(ctx, &t.line, b.place)
		if err != nil {
			c.handOn(baton{place: place})
			return nil, err
		}
		b.claim = &claim
	}
	return c.hold(ctx, *b.claim, t), nil
}

// standing waits at a place in line, or at a new one. If it fails, it returns where
// it stands, if it still does, for the next of the cohort to go on waiting there.
func standing(ctx context.Context, l *line.Line, p *line.Place) (lease.Claim, *line.Place, error) {
	for {
		if p == nil {
			var err error
			if p, err = l.Stand(ctx); err != nil {
				return lease.Claim{}, nil, err
			}
		}
		c, err := p.Wait(ctx)
		if err == nil || !line.Gone(err) {
			return c, p, err
		}
		p.Leave()
		p = nil
	}
}
