package presence

import (
	"context"
	"sync"

	"github.com/zkrecipes/zkrecipes/session"
)

// localNode is the state that the Announcements of one node share in a session. Only
// one of them may exist at a time: a second one would take the first one's node for
// its own. An Announcement of another session knows by the owner that the node is not
// its own, so sessions of one process share nothing.
type localNode struct {
	leave func() // each user calls it once

	mu      sync.Mutex
	current *Announcement
}

// register makes p the only Announcement of its node in this session. If another one
// is being withdrawn, register waits for its end.
func (p *Announcement) register(ctx context.Context) error {
	n, _ := session.Local(p.session, p.node.Path, func(leave func()) *localNode { return &localNode{leave: leave} })
	for {
		n.mu.Lock()
		other := n.current
		if other == nil {
			n.current, p.local = p, n
		}
		n.mu.Unlock()
		switch {
		case other == nil:
			return nil
		case other.live.Err() == nil:
			n.leave()
			return p.node.Errors.Duplicate
		}
		select {
		case <-other.gone:
		case <-ctx.Done():
			n.leave()
			return context.Cause(ctx)
		}
	}
}

func (p *Announcement) unregister() {
	p.local.mu.Lock()
	p.local.current = nil
	p.local.mu.Unlock()
	p.local.leave()
}
