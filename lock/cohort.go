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

// cohort is the callers on one session that contend for the same lock with
// WithLocalHandoff. One caller at a time owns the cohort's node, or waits in the line
// with it. It is the cohort lock of Dice, Marathe and Shavit.
type cohort struct {
	leave func() // each caller calls it once, when it no longer belongs to the cohort

	mu       sync.Mutex
	active   bool           // a caller owns the node, waits in the line, or is about to
	waiting  []chan handoff // with a buffer of one
	holder   *lease.Lease
	handoffs int // of the node, in a row
}

// handoff is what a caller passes to the next caller of its cohort: a node that owns the
// lock, a waiter in the line, or neither: the next caller then joins the line.
type handoff struct {
	acquired *lease.Acquired
	waiter   *line.Waiter
}

type cohortKey struct {
	path, id string
	layout   Layout
	stopTime time.Duration
}

// joinCohort adds the caller to the cohort of key on s. handoffs receives the caller's
// handoff; it is nil if there is none to wait for, so that the caller may join the line.
// With try, a caller that would have to wait is not added.
func joinCohort(s *session.Session, key cohortKey, try bool) (c *cohort, handoffs chan handoff) {
	c, _ = session.Local(s, key, func(leave func()) *cohort { return &cohort{leave: leave} })
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.active {
		c.active = true
		return c, nil
	}
	handoffs = make(chan handoff, 1)
	if try {
		c.leave()
	} else {
		c.waiting = append(c.waiting, handoffs)
	}
	return c, handoffs
}

// pass gives h to the next caller. If there is none, the waiter of h leaves the line.
func (c *cohort) pass(h handoff) {
	c.mu.Lock()
	passed := c.passLocked(h)
	c.mu.Unlock()
	if !passed && h.waiter != nil {
		h.waiter.Leave()
	}
}

// passLocked gives h to the next caller, and reports whether there is one. The active
// caller leaves the cohort. c.mu is held.
func (c *cohort) passLocked(h handoff) bool {
	c.holder = nil
	c.leave()
	if len(c.waiting) == 0 {
		c.active, c.handoffs = false, 0
		return false
	}
	if h.acquired == nil {
		c.handoffs = 0
	}
	c.waiting[0] <- h
	c.waiting = slices.Delete(c.waiting, 0, 1)
	return true
}

// cancel ends the wait for a handoff. If a handoff has just arrived, cancel passes it to
// the next caller.
func (c *cohort) cancel(ctx context.Context, handoffs chan handoff, a *acquirer, n int) {
	c.mu.Lock()
	i := slices.Index(c.waiting, handoffs)
	if i >= 0 {
		c.waiting = slices.Delete(c.waiting, i, i+1)
		c.leave()
	}
	c.mu.Unlock()
	if i >= 0 {
		return
	}
	h := <-handoffs
	if h.acquired == nil {
		c.pass(h)
		return
	}
	c.unlock(ctx, c.begin(ctx, *h.acquired, a), n)
}

// begin begins the lease of an acquired node and records it as the cohort's holder.
func (c *cohort) begin(ctx context.Context, acquired lease.Acquired, a *acquirer) *lease.Lease {
	l := lease.Begin(ctx, acquired, a.behavior)
	c.mu.Lock()
	c.holder = l
	c.mu.Unlock()
	context.AfterFunc(l.Context(), func() { // in case it is lost
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.holder == l {
			c.passLocked(handoff{})
		}
	})
	return l
}

// unlock passes the node to the next caller, if there is one and the node has been passed
// fewer than n times in a row. Otherwise it releases the lock.
func (c *cohort) unlock(ctx context.Context, l *lease.Lease, n int) error {
	c.mu.Lock()
	if c.holder != l { // l is lost or unlocked
		c.mu.Unlock()
		return l.Release(ctx)
	}
	c.holder = nil // so that the AfterFunc of begin passes nothing
	handOff := len(c.waiting) > 0 && c.handoffs < n
	c.mu.Unlock()
	if handOff {
		if acquired, err := l.Transfer(ctx); err == nil {
			c.mu.Lock()
			c.handoffs++
			passed := c.passLocked(handoff{acquired: &acquired})
			c.mu.Unlock()
			if passed {
				return nil
			}
			// The waiting callers have left in the meantime.
			l = lease.Begin(ctx, acquired, lease.Behavior{Lost: ErrLost, Released: ErrReleased})
			return l.Release(ctx)
		}
	}
	c.pass(handoff{}) // to a caller that joins the line behind this node, if there is one
	return l.Release(ctx)
}

// lock waits for the caller's handoff, and then in the line unless the handoff has a node
// that owns the lock.
func (c *cohort) lock(ctx context.Context, handoffs chan handoff, a *acquirer, n int) (*lease.Lease, error) {
	var h handoff
	if handoffs != nil {
		select {
		case h = <-handoffs:
		case <-ctx.Done():
			c.cancel(ctx, handoffs, a, n)
			return nil, &session.OpError{Package: "lock", Op: "wait for", Path: a.line.Path, Err: context.Cause(ctx)}
		}
	}
	if h.acquired == nil {
		acquired, waiter, err := waitInLine(ctx, &a.line, h.waiter)
		if err != nil {
			c.pass(handoff{waiter: waiter})
			return nil, err
		}
		h.acquired = &acquired
	}
	return c.begin(ctx, *h.acquired, a), nil
}

// waitInLine waits in the line with w, or with a new waiter if w is nil. If it fails while
// its waiter is still in the line, it returns that waiter, with which the next caller of
// the cohort can continue.
func waitInLine(ctx context.Context, l *line.Line, w *line.Waiter) (lease.Acquired, *line.Waiter, error) {
	for {
		if w == nil {
			var err error
			if w, err = l.Join(ctx); err != nil {
				return lease.Acquired{}, nil, err
			}
		}
		acquired, err := w.Wait(ctx)
		if err == nil || !line.IsGone(err) {
			return acquired, w, err
		}
		w.Leave()
		w = nil
	}
}
