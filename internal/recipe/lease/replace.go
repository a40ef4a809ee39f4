package lease

import (
	"context"
	"fmt"

	"github.com/zkrecipes/zkrecipes/session"
)

// Replacement is a node that replaces the node of a lease. Its name has a GUID.
type Replacement struct {
	Path       string
	Data       []byte
	Sequential bool
}

func (s Replacement) op() session.Op {
	opts := []session.CreateOption{session.Ephemeral(), session.Unique()}
	if s.Sequential {
		opts = append(opts, session.Sequential())
	}
	return session.OpCreate(s.Path, s.Data, opts...)
}

// Replace ends a lease of one node, and deletes that node and creates nodes in one
// transaction. It returns the created nodes for another lease. The context of the
// old lease is done first.
//
// If Replace fails, the lease has ended nevertheless, and all nodes are deleted, in
// the background if necessary. The error is session.ErrNoNode if the lease's node or
// a parent of the others did not exist, and session.ErrUnknown if too many nodes
// were deleted to find out the outcome.
func (l *Lease) Replace(ctx context.Context, nodes ...Replacement) (Acquired, error) {
	l.Err() // notes a loss at the deadline first, so that it is the cause
	if !l.end(l.behavior.Released) {
		l.deleteEarly(ctx)
		return Acquired{}, context.Cause(l.ctx)
	}
	type result struct {
		Acquired
		err error
	}
	delivered := make(chan result)
	started := l.acquired.Epoch.Go(func() {
		c, err := l.replace(ctx, nodes)
		select {
		case delivered <- result{c, err}:
		case <-ctx.Done():
			c.discard()
		}
	})
	if !started {
		close(l.gone)
		return Acquired{}, session.ErrClosed
	}
	select {
	case o := <-delivered:
		return o.Acquired, o.err
	case <-ctx.Done():
		return Acquired{}, &session.OpError{Package: l.acquired.Package, Op: "replace", Path: l.acquired.Path, Err: context.Cause(ctx)}
	}
}

// replace waits for the outcome as long as the epoch lasts, because it has to delete
// the nodes after a failure.
func (l *Lease) replace(ctx context.Context, nodes []Replacement) (c Acquired, err error) {
	e := l.acquired.Epoch
	if ctx.Err() != nil {
		l.deleteNodes()
		return c, context.Cause(ctx)
	}
	c = Acquired{Package: l.acquired.Package, Epoch: e, Version: session.AnyVersion}
	if c.StopProving, err = e.KeepProvingFor(ctx, l.behavior.StopTime); err != nil {
		l.deleteNodes()
		return c, &session.OpError{Package: l.acquired.Package, Op: "acquire", Path: l.acquired.Path, Err: err}
	}
	ops := []session.Op{session.OpDelete(l.acquired.Path, session.AnyVersion)}
	for _, n := range nodes {
		ops = append(ops, n.op())
	}
	results, err := e.Txn(e.Context(), ops...)
	if err != nil {
		l.deleteNodes()
		for _, n := range nodes {
			if !n.Sequential { // in case the outcome is unknown
				c.MorePaths = append(c.MorePaths, n.Path)
			}
		}
		c.discard()
		return Acquired{}, err
	}
	close(l.gone)
	for _, r := range results[1:] {
		switch {
		case r.Path == "":
			// The reply was lost, and one of the nodes was deleted since.
			err = fmt.Errorf("%w: %w", l.behavior.Lost, session.ErrNoNode)
			continue
		case c.Path == "":
			c.Path, c.Token = r.Path, r.Stat.Czxid
		default:
			c.MorePaths = append(c.MorePaths, r.Path)
		}
	}
	if err != nil {
		c.discard()
		return Acquired{}, &session.OpError{Package: l.acquired.Package, Op: "create", Path: nodes[0].Path, Err: err}
	}
	return c, nil
}

// discard deletes nodes of which no lease was made.
func (c *Acquired) discard() {
	if c.StopProving == nil {
		return
	}
	c.StopProving()
	for _, path := range append(c.MorePaths, c.Path) {
		if path != "" {
			c.Epoch.DeleteEventually(path, 0, nil)
		}
	}
}
