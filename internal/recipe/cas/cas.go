// Package cas changes the data of one node by compare-and-set.
package cas

import (
	"context"
	"errors"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
	"github.com/zkrecipes/zkrecipes/internal/recipe/refusal"
	"github.com/zkrecipes/zkrecipes/session"
)

// Result is the write of an Update. It is zero if nothing was written.
type Result struct {
	Stat  session.Stat
	Epoch uint64 // in which it was written
}

// Update calls change with the node at path and writes what change returns, unless
// another client has changed the node since: then it reads the node and calls change
// again. If there is no node, n.Err is session.ErrNoNode, and the node is created with
// its ancestors. If change returns nil data, nothing is written.
//
// A lost reply is looked up in a receipt, so no write happens twice. The error is
// session.ErrUnknown if ctx or the epoch ends before the outcome is known or if the
// receipt is not available (see Session.TxnWithReceipt), and otherwise that of change
// or of the session. op is copied for errors of Update itself.
//
// It takes two round trips, a read and a transaction, and two more for each conflict.
// From the second conflict on it pauses before it reads again, for 10 ms at first and
// then for up to 250 ms. Creating missing ancestors takes two more round trips.
func Update(ctx context.Context, s *session.Session, op session.OpError, path string, change func(n session.Node) ([]byte, error)) (Result, error) {
	pauses := backoff.New(10*time.Millisecond, 250*time.Millisecond, 1)
	for conflicts := 0; ; conflicts++ {
		if conflicts > 1 { // the first retry is immediate
			if err := pauses.Wait(ctx); err != nil {
				op.Err = err
				return Result{}, &op
			}
		}
		n, err := read(ctx, s, op, path)
		if err != nil {
			return Result{}, err
		}
		data, err := change(n)
		if data == nil || err != nil {
			return Result{}, err
		}
		r, err := write(ctx, s, op, n, data)
		if !refusal.IsConflict(err) {
			return r, err
		}
	}
}

func read(ctx context.Context, s *session.Session, op session.OpError, path string) (session.Node, error) {
	nodes, err := session.InEpoch(ctx, s, op, func(e *session.Epoch) ([]session.Node, error) { return e.Nodes(ctx, path) })
	if err != nil {
		return session.Node{}, err
	}
	if n := nodes[0]; n.Err == nil || errors.Is(n.Err, session.ErrNoNode) {
		return n, nil
	}
	return session.Node{}, nodes[0].Err
}

// write makes one attempt to replace the data of the node as it was read, or to create
// the node and its ancestors.
func write(ctx context.Context, s *session.Session, op session.OpError, n session.Node, data []byte) (Result, error) {
	if n.Err == nil {
		return Commit(ctx, s, op, session.OpSet(n.Path, data, n.Stat.Version))
	}
	return Create(ctx, s, op, n.Path, data)
}

// Create creates a node and its ancestors.
func Create(ctx context.Context, s *session.Session, op session.OpError, path string, data []byte) (Result, error) {
	for {
		r, err := Commit(ctx, s, op, session.OpCreate(path, data))
		if !errors.Is(err, session.ErrNoNode) || errors.Is(err, session.ErrUnknown) {
			return r, err
		}
		if err := s.CreateAncestors(ctx, path); err != nil {
			return Result{}, err
		}
	}
}

// Commit writes one node. A lost reply is looked up.
func Commit(ctx context.Context, s *session.Session, op session.OpError, change session.Op) (r Result, err error) {
	results, err := session.InEpoch(ctx, s, op, func(e *session.Epoch) ([]session.Result, error) {
		r.Epoch = e.Number()
		return e.TxnDetached(ctx, nil, change)
	})
	if err != nil {
		return Result{}, err
	}
	r.Stat = results[0].Stat
	return r, nil
}
