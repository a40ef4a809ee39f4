package lease

import (
	"context"
	"fmt"

	"github.com/zkrecipes/zkrecipes/session"
)

// Successor is a node that takes the place of a lease's. Its name has a GUID.
type Successor struct {
	Path       string
	Data       []byte
	Sequential bool
}

func (s Successor) op() session.Op {
	opts := []session.CreateOption{session.Ephemeral(), session.Unique()}
	if s.Sequential {
		opts = append(opts, session.Sequential())
	}
	return session.OpCreate(s.Path, s.Data, opts...)
}

// Exchange ends a lease of one node, and in the transaction that deletes the node
// creates others, which are the claim that it returns. The lease's context ends
// first.
//
// When Exchange fails, the lease has ended all the same, and none of the nodes
// stays; if need be they go in the background. session.ErrNoNode says that the
// lease's node had gone, or a parent of the others; session.ErrUnknown that
// somebody has removed so much that there is no telling what happened.
func (l *Lease) Exchange(ctx context.Context, nodes ...Successor) (Claim, error) {
	l.Err() // if the clock says that it is lost, that is the cause
	if !l.end(l.terms.Released) {
		l.letGo(ctx)
		return Claim{}, context.Cause(l.ctx)
	}
	type outcome struct {
		Claim
		err error
	}
	delivered := make(chan outcome)
	started := l.claim.Epoch.Go(func() {
		c, err := l.exchange(ctx, nodes)
		select {
		case delivered <- outcome{c, err}:
		case <-ctx.Done():
			c.discard()
		}
	})
	if !started {
		close(l.gone)
		return Claim{}, session.ErrClosed
	}
	select {
	case o := <-delivered:
		return o.Claim, o.err
	case <-ctx.Done():
		return Claim{}, &session.OpError{Op: "exchange", Path: l.claim.Path, Err: context.Cause(ctx)}
	}
}

// exchange waits for the outcome as long as the epoch lasts, since nobody else
// would clean up after it.
func (l *Lease) exchange(ctx context.Context, nodes []Successor) (c Claim, err error) {
	e := l.claim.Epoch
	if ctx.Err() != nil {
		l.remove()
		return c, context.Cause(ctx)
	}
	c = Claim{Epoch: e, Version: session.AnyVersion}
	if c.Hold, err = e.HoldFor(ctx, l.terms.StopTime); err != nil {
		l.remove()
		return c, &session.OpError{Op: "hold", Path: l.claim.Path, Err: err}
	}
	ops := []session.Op{session.OpDelete(l.claim.Path, session.AnyVersion)}
	for _, n := range nodes {
		ops = append(ops, n.op())
	}
	results, err := e.Txn(e.Context(), ops...)
	if err != nil {
		l.remove()
		for _, n := range nodes {
			if !n.Sequential { // in case the outcome is unknown
				c.More = append(c.More, n.Path)
			}
		}
		c.discard()
		return Claim{}, err
	}
	close(l.gone)
	for _, r := range results[1:] {
		switch {
		case r.Path == "":
			// The reply was lost, and one of the nodes is not there any more.
			err = fmt.Errorf("%w: %w", l.terms.Lost, session.ErrNoNode)
			continue
		case c.Path == "":
			c.Path, c.Token = r.Path, r.Stat.Czxid
		default:
			c.More = append(c.More, r.Path)
		}
	}
	if err != nil {
		c.discard()
		return Claim{}, &session.OpError{Op: "create", Path: nodes[0].Path, Err: err}
	}
	return c, nil
}

// discard gives up what has not become a lease.
func (c *Claim) discard() {
	if c.Hold == nil {
		return
	}
	c.Hold()
	for _, path := range append(c.More, c.Path) {
		if path != "" {
			c.Epoch.Discard(path, 0, nil)
		}
	}
}
