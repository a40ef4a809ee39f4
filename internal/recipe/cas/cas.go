// Package cas changes the data of one node by compare-and-set.
package cas

import (
	"context"
	"errors"
	"fmt"
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
// its ancestors. If change returns nil data, nothing is written. If the node was deleted
// and created again since and has the same version, it is written although change has
// not seen it.
//
// A lost reply is looked up, so no write happens twice. The error is session.ErrUnknown
// if a reply is lost and its outcome cannot be found out, because ctx or the epoch has
// ended or the session has no receipts (see session.WithReceipts). A node of version -1,
// for which ZooKeeper has no compare-and-set, is refused with session.ErrInvalid. Other
// errors are those of change or of the session. op is copied for errors of Update itself.
//
// It takes two round trips, a read and a transaction, two more for each conflict, and
// two more if the ancestors of the node do not exist. From the second conflict on it
// pauses before it retries, for at most 250 ms.
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
	n := nodes[0]
	switch {
	case n.Err == nil && n.Stat.Version == session.AnyVersion: // a set of this version would be unconditional
		op.Err = fmt.Errorf("%w: the node has version -1, for which ZooKeeper has no compare-and-set", session.ErrInvalid)
		return session.Node{}, &op
	case n.Err == nil, errors.Is(n.Err, session.ErrNoNode):
		return n, nil
	}
	return session.Node{}, n.Err
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
