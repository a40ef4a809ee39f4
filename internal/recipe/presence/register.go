package presence

import (
	"context"
	"sync"

	"github.com/zkrecipes/zkrecipes/session"
)

// key is what one Presence at most announces at a time. Another of the same
// session would take the other's node for its own.
type key struct {
	session *session.Session
	path    string
}

var byNode = struct {
	sync.Mutex
	by map[key]*Announcement
}{by: make(map[key]*Announcement)}

// register makes p the one that announces its node in this session. It waits for
// one that is being withdrawn.
func (p *Announcement) register(ctx context.Context) error {
	k := key{p.session, p.node.Path}
	for {
		byNode.Lock()
		other := byNode.by[k]
		if other == nil {
			byNode.by[k] = p
		}
		byNode.Unlock()
		switch {
		case other == nil:
			return nil
		case other.live.Err() == nil:
			return p.node.Errors.Duplicate
		}
		select {
		case <-other.gone:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (p *Announcement) unregister() {
	byNode.Lock()
	defer byNode.Unlock()
	delete(byNode.by, key{p.session, p.node.Path})
}
