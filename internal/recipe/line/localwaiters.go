package line

import (
	"context"
	"slices"
	"sync"

	"github.com/zkrecipes/zkrecipes/internal/recipe/sequence"
	"github.com/zkrecipes/zkrecipes/session"
)

// localWaiters is what those of one session know from each other who stand in one line.
// Ten thousand goroutines that wait for one lock would otherwise each read a list
// of ten thousand names, twice.
type localWaiters struct {
	line  Line
	epoch *session.Epoch

	created sequence.Creations

	mu      sync.Mutex
	members int
	next    *listing // the list that will be asked for next
	running bool     // a list is under way
	owners  []string // the latest exclusive ones that came first, so that nobody was ahead of them
}

// rememberedOwners bounds crowd.owners. A place needs to know of the two ahead.
const rememberedOwners = 16

type localKey struct {
	epoch  *session.Epoch
	path   string
	marker string
}

var localByKey = struct {
	sync.Mutex
	m map[localKey]*localWaiters
}{m: make(map[localKey]*localWaiters)}

func (l *Line) localKey(e *session.Epoch) localKey {
	return localKey{e, l.Path, l.Layout.Markers[0].Text}
}

// joinLocal enters the crowd. It reports whether others are in it.
func (l *Line) joinLocal(e *session.Epoch) (c *localWaiters, others bool) {
	localByKey.Lock()
	defer localByKey.Unlock()
	key := l.localKey(e)
	if c = localByKey.m[key]; c == nil {
		c = &localWaiters{line: *l, epoch: e}
		localByKey.m[key] = c
	}
	c.members++
	return c, c.members > 1
}

// leave leaves the crowd. The last one out takes it away.
func (c *localWaiters) leave() {
	localByKey.Lock()
	defer localByKey.Unlock()
	if c.members--; c.members == 0 {
		delete(localByKey.m, c.line.localKey(c.epoch))
	}
}

// noteFirst notes that nobody is ahead of a node, which is true for good.
func (c *localWaiters) noteFirst(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.owners) == rememberedOwners {
		c.owners = slices.Delete(c.owners, 0, 1)
	}
	c.owners = append(c.owners, name)
}

// wasFirst tells whether a node is known to have been the first in line.
func (c *localWaiters) wasFirst(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.owners, name)
}

// list returns a list of the line that is asked for after the call. All who ask
// while another is under way get the same.
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

// runLists asks for lists as long as somebody wants one.
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
