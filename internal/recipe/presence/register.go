package presence

import (
	"context"
	"sync"

	"github.com/zkrecipes/zkrecipes/session"
)

// key identifies a node of a session. Only one Announcement at a time may have it: a
// second one of the same session would take the first one's node for its own.
type key struct {
	session *session.Session
	path    string
}

var byNode = struct {
	sync.Mutex
	by map[key]*Announcement
}{by: make(map[key]*Announcement)}

// register makes p the only Announcement of its node in this session. If another one
// is being withdrawn, register waits for its end.
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
