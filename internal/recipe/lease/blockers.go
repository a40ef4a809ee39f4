package lease

import (
	"context"
	"errors"

	"github.com/zkrecipes/zkrecipes/session"
)

// Blockers looks for nodes that no session owns among those that a wait is for. It
// reads the stat of each node once.
type Blockers struct {
	known map[string]error // what Epoch.Blocked says, by path
}

// Check forgets all but the nodes at paths, and reads the stats of those that it does
// not know, in one flight. blocked is what Epoch.Blocked says of the first that no
// session owns, nil if there is none.
func (b *Blockers) Check(ctx context.Context, e *session.Epoch, paths ...string) (blocked, err error) {
	known := make(map[string]error, len(paths))
	var unknown []string
	for _, path := range paths {
		if reason, ok := b.known[path]; ok {
			known[path] = reason
		} else {
			unknown = append(unknown, path)
		}
	}
	b.known = known
	nodes, err := e.Stats(ctx, unknown...)
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		if n.Err == nil {
			known[n.Path] = e.Blocked(n.Path, n.Stat)
		} else if !errors.Is(n.Err, session.ErrNoNode) {
			return nil, n.Err
		}
	}
	for _, path := range paths {
		if known[path] != nil {
			return known[path], nil
		}
	}
	return nil, nil
}
