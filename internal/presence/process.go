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

var announced = struct {
	sync.Mutex
	by map[key]*Presence
}{by: make(map[key]*Presence)}

// enlist makes p the one that announces its node in this session. It waits for
// one that is being withdrawn.
func (p *Presence) enlist(ctx context.Context) error {
	k := key{p.session, p.node.Path}
	for {
		announced.Lock()
		other := announced.by[k]
		if other == nil {
			announced.by[k] = p
		}
		announced.Unlock()
		switch {
		case other == nil:
			return nil
		case other.live.Err() == nil:
			return p.node.Errors.Twice
		}
		select {
		case <-other.gone:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (p *Presence) delist() {
	announced.Lock()
	defer announced.Unlock()
	delete(announced.by, key{p.session, p.node.Path})
}
