package lease

import (
	"context"
	"errors"

	"github.com/zkrecipes/zkrecipes/session"
)

// Blockers finds ownerless nodes among the nodes that a caller waits for. It reads
// the stat of each node once.
type Blockers struct {
	known map[string]error // the results of Epoch.Blocked by path
}

// Check reads the stats of the nodes at paths that it does not know from an earlier
// call, in one flight, and forgets all other nodes. blocked is the error of
// Epoch.Blocked for the first ownerless node, or nil.
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
