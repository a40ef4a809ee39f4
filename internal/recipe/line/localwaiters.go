package line

import (
	"context"
	"slices"
	"sync"

	"github.com/zkrecipes/zkrecipes/internal/recipe/sequence"
	"github.com/zkrecipes/zkrecipes/session"
)

// localWaiters is the state that the waiters of one epoch in one line share.
// Without it, each of ten thousand goroutines that wait for one lock would read ten
// thousand names, twice.
type localWaiters struct {
	line  Line
	epoch *session.Epoch

	created sequence.Creations
	leave   func() // each waiter calls it once

	mu      sync.Mutex
	next    *listing // the listing that will be requested next
	running bool     // runLists runs
	owners  []string // names of the latest exclusive contenders that were first
}

// rememberedOwners bounds localWaiters.owners. A waiter needs only the two ahead.
const rememberedOwners = 16

type localKey struct {
	epoch  *session.Epoch
	path   string
	marker string
}

// joinLocal adds a waiter to the localWaiters of the line and epoch, and creates
// these if necessary. It reports whether there are other waiters.
func (l *Line) joinLocal(e *session.Epoch) (c *localWaiters, others bool) {
	key := localKey{e, l.Path, l.Layout.Markers[0].Text}
	return session.Local(e.Session(), key, func(leave func()) *localWaiters {
		return &localWaiters{line: *l, epoch: e, leave: leave}
	})
}

// noteFirst notes that no node is ahead of this one, which stays so.
func (c *localWaiters) noteFirst(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.owners) == rememberedOwners {
		c.owners = slices.Delete(c.owners, 0, 1)
	}
	c.owners = append(c.owners, name)
}

// wasFirst reports whether a node is known to have been the first in line.
func (c *localWaiters) wasFirst(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.owners, name)
}

// list returns a listing that is requested after the call began. All calls that
// arrive while an earlier listing is in flight share the next one.
func (c *localWaiters) list(ctx context.Context) (*listing, error) {
	c.mu.Lock()
	r := c.next
	if r == nil {
		r = &listing{done: make(chan struct{})}
		c.next = r
		if !c.running {
			c.running = c.epoch.Go(c.runLists)
		}
		if !c.running {
			c.next = nil
			c.mu.Unlock()
			return nil, session.ErrClosed
		}
	}
	c.mu.Unlock()
	select {
	case <-r.done:
		return r, r.err
	case <-ctx.Done():
		return nil, &session.OpError{Package: c.line.Package, Op: "list", Path: c.line.Path, Err: context.Cause(ctx)}
	case <-c.epoch.Context().Done():
		return nil, context.Cause(c.epoch.Context())
	}
}

// runLists reads listings until no call waits for one.
func (c *localWaiters) runLists() {
	for {
		c.mu.Lock()
		r := c.next
		c.next = nil
		if r == nil {
			c.running = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		var names []string
		if names, r.err = c.epoch.Children(c.epoch.Context(), c.line.Path); r.err == nil {
			r.contenders, r.err = c.line.contenders(c.epoch.Context(), c.epoch, names, &c.created)
		}
		close(r.done)
	}
}
