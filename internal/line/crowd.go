package line

import (
	"context"
	"slices"
	"sync"

	"github.com/zkrecipes/zkrecipes/internal/sequence"
	"github.com/zkrecipes/zkrecipes/session"
)

// crowd is what those of one session know from each other who stand in one line.
// Ten thousand goroutines that wait for one lock would otherwise each read a list
// of ten thousand names, twice.
type crowd struct {
	line  Line
	epoch *session.Epoch

	created sequence.Creations

	mu      sync.Mutex
	members int
	next    *roster  // the list that will be asked for next
	asking  bool     // a list is under way
	owners  []string // the latest exclusive ones that came first, so that nobody was ahead of them
}

// rememberedOwners bounds crowd.owners. A place needs to know of the two ahead.
const rememberedOwners = 16

type crowdKey struct {
	epoch  *session.Epoch
	path   string
	marker string
}

var crowds = struct {
	sync.Mutex
	m map[crowdKey]*crowd
}{m: make(map[crowdKey]*crowd)}

func (l *Line) crowdKey(e *session.Epoch) crowdKey {
	return crowdKey{e, l.Path, l.Naming.Markers[0].Text}
}

// join enters the crowd. It reports whether others are in it.
func (l *Line) join(e *session.Epoch) (c *crowd, others bool) {
	crowds.Lock()
	defer crowds.Unlock()
	key := l.crowdKey(e)
	if c = crowds.m[key]; c == nil {
		c = &crowd{line: *l, epoch: e}
		crowds.m[key] = c
	}
	c.members++
	return c, c.members > 1
}

// quit leaves the crowd. The last one out takes it away.
func (c *crowd) quit() {
	crowds.Lock()
	defer crowds.Unlock()
	if c.members--; c.members == 0 {
		delete(crowds.m, c.line.crowdKey(c.epoch))
	}
}

// first notes that nobody is ahead of a node, which is true for good.
func (c *crowd) first(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.owners) == rememberedOwners {
		c.owners = slices.Delete(c.owners, 0, 1)
	}
	c.owners = append(c.owners, name)
}

// wasFirst tells whether a node is known to have been the first in line.
func (c *crowd) wasFirst(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.owners, name)
}

// list returns a list of the line that is asked for after the call. All who ask
// while another is under way get the same.
func (c *crowd) list(ctx context.Context) (*roster, error) {
	c.mu.Lock()
	r := c.next
	if r == nil {
		r = &roster{done: make(chan struct{})}
		c.next = r
		if !c.asking {
			c.asking = c.epoch.Go(c.ask)
		}
		if !c.asking {
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
		return nil, &session.OpError{Op: "list", Path: c.line.Path, Err: context.Cause(ctx)}
	case <-c.epoch.Context().Done():
		return nil, context.Cause(c.epoch.Context())
	}
}

// ask asks for lists as long as somebody wants one.
func (c *crowd) ask() {
	for {
		c.mu.Lock()
		r := c.next
		c.next = nil
		if r == nil {
			c.asking = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		var names []string
		if names, r.err = c.epoch.Children(c.epoch.Context(), c.line.Path); r.err == nil {
			r.standing, r.err = c.line.contenders(c.epoch.Context(), c.epoch, names, &c.created)
		}
		close(r.done)
	}
}
