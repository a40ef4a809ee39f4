package lock

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/internal/recipe/line"
	"github.com/zkrecipes/zkrecipes/session"
)

// cohort is those of one session who want the same lock, of whom one at a time
// has the node, or stands in line with it. It is the cohort lock of Dice, Marathe
// and Shavit.
type cohort struct {
	key cohortKey

	// under cohorts.Mutex
	waiting  []chan handoff // each with room for one
	holder   *lease.Lease
	handoffs int // how often the node has been handed on in a row
}

// handoff is what one of a cohort hands on to the next: a node that owns, a place in
// line, or only the turn to stand in line.
type handoff struct {
	acquired *lease.Acquired
	waiter   *line.Waiter
}

type cohortKey struct {
	session  *session.Session
	path, id string
	layout   Layout
	stopTime time.Duration
}

// cohorts are those of which somebody holds the lock, or wants it.
var cohorts = struct {
	sync.Mutex
	m map[cohortKey]*cohort
}{m: make(map[cohortKey]*cohort)}

// joinCohort enters the cohort. Whoever has no turn to wait for has it already.
func joinCohort(key cohortKey, try bool) (c *cohort, turn chan handoff) {
	cohorts.Lock()
	defer cohorts.Unlock()
	c = cohorts.m[key]
	if c == nil {
		c = &cohort{key: key}
		cohorts.m[key] = c
		return c, nil
	}
	turn = make(chan handoff, 1)
	if !try {
		c.waiting = append(c.waiting, turn)
	}
	return c, turn
}

// pass gives the turn to the next, and leaves a place that nobody wants.
func (c *cohort) pass(b handoff) {
	cohorts.Lock()
	given := c.passLocked(b)
	cohorts.Unlock()
	if !given && b.waiter != nil {
		b.waiter.Leave()
	}
}

// passLocked gives the turn to the next, and reports whether there is one. If not, the
// cohort is over. cohorts is locked.
func (c *cohort) passLocked(b handoff) bool {
	c.holder = nil
	if b.acquired == nil {
		c.handoffs = 0
	}
	if len(c.waiting) == 0 {
		delete(cohorts.m, c.key)
		return false
	}
	c.waiting[0] <- b
	c.waiting = slices.Delete(c.waiting, 0, 1)
	return true
}

// cancel gives up waiting for the turn. If it has come just now, it goes on to
// the next.
func (c *cohort) cancel(ctx context.Context, turn chan handoff, t *acquirer, n int) {
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
	if b.acquired == nil {
		c.pass(b)
		return
	}
	c.unlock(ctx, c.hold(ctx, *b.acquired, t), n)
}

// hold makes a claim the holder's lease.
func (c *cohort) hold(ctx context.Context, claim lease.Acquired, t *acquirer) *lease.Lease {
	l := lease.Begin(ctx, claim, t.behavior)
	cohorts.Lock()
	c.holder = l
	cohorts.Unlock()
	context.AfterFunc(l.Context(), func() { // in case it is lost
		cohorts.Lock()
		defer cohorts.Unlock()
		if c.holder == l {
			c.passLocked(handoff{})
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
	on := len(c.waiting) > 0 && c.handoffs < n
	cohorts.Unlock()
	if on {
		if claim, err := l.Transfer(ctx); err == nil {
			cohorts.Lock()
			c.handoffs++
			given := c.passLocked(handoff{acquired: &claim})
			cohorts.Unlock()
			if given {
				return nil
			}
			l = lease.Begin(ctx, claim, lease.Behavior{Lost: ErrLost, Released: ErrReleased}) // they have left meanwhile
			return l.Release(ctx)
		}
	}
	c.pass(handoff{}) // who stands in line behind this node, or has nothing to wait for
	return l.Release(ctx)
}

// lock waits for the turn, and then in line.
func (c *cohort) lock(ctx context.Context, turn chan handoff, t *acquirer, n int) (*lease.Lease, error) {
	var b handoff
	if turn != nil {
		select {
		case b = <-turn:
		case <-ctx.Done():
			c.cancel(ctx, turn, t, n)
			return nil, &session.OpError{Package: "lock", Op: "wait in line at", Path: t.line.Path, Err: context.Cause(ctx)}
		}
	}
	if b.acquired == nil {
		claim, place, err := waitInLine(ctx, &t.line, b.waiter)
		if err != nil {
			c.pass(handoff{waiter: place})
			return nil, err
		}
		b.acquired = &claim
	}
	return c.hold(ctx, *b.acquired, t), nil
}

// waitInLine waits at a place in line, or at a new one. If it fails, it returns where
// it stands, if it still does, for the next of the cohort to go on waiting there.
func waitInLine(ctx context.Context, l *line.Line, p *line.Waiter) (lease.Acquired, *line.Waiter, error) {
	for {
		if p == nil {
			var err error
			if p, err = l.Join(ctx); err != nil {
				return lease.Acquired{}, nil, err
			}
		}
		c, err := p.Wait(ctx)
		if err == nil || !line.IsGone(err) {
			return c, p, err
		}
		p.Leave()
		p = nil
	}
}
