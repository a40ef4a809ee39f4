package session

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/client/conn"
	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// Create creates a node and returns its path, which includes the sequence number of a
// sequential node. An ephemeral node belongs to the epoch in which it is created.
//
// If the reply is lost, the outcome is looked up. It is always found for a node that is
// Ephemeral or Unique or both. For other nodes it is found if the parent has not
// changed; otherwise the error is ErrUnknown. If ctx is done while an ephemeral node is
// being created, the node is deleted in the background.
func (s *Session) Create(ctx context.Context, path string, data []byte, opts ...CreateOption) (string, Stat, error) {
	r, err := inCurrentEpoch(ctx, s, func(e *Epoch) (Result, error) {
		path, st, err := e.Create(ctx, path, data, opts...)
		return Result{path, st}, err
	})
	return r.Path, r.Stat, err
}

// Create is Session.Create in this epoch only.
func (e *Epoch) Create(ctx context.Context, path string, data []byte, opts ...CreateOption) (string, Stat, error) {
	op := OpCreate(path, data, opts...)
	if err := op.check(e.session); err != nil {
		return "", Stat{}, opError("create", path, err)
	}
	var r Result
	var err error
	if op.create.ephemeral {
		r, err = e.createEphemeral(ctx, op)
	} else {
		r, err = e.createWithParents(ctx, ctx, op)
	}
	return r.Path, r.Stat, opError("create", path, err)
}

// createEphemeral creates the node in a goroutine of the session. If the caller's ctx is
// done first, the goroutine waits for the outcome and deletes the node.
func (e *Epoch) createEphemeral(ctx context.Context, op Op) (Result, error) {
	type created struct {
		Result
		err error
	}
	delivered := make(chan created)
	started := e.session.spawn(func() {
		var o created
		if err := e.serialize(ctx, op, func() { o.Result, o.err = e.createWithParents(ctx, e.ctx, op) }); err != nil {
			o.err = err
		}
		if o.err != nil && e.ctx.Err() != nil {
			o.err = context.Cause(e.ctx) // the node, if it was created, is deleted with the epoch
		}
		select {
		case delivered <- o:
		case <-ctx.Done():
			if o.err == nil {
				e.DeleteEventually(o.Path, o.Stat.Czxid, nil)
			}
		}
	})
	if !started {
		return Result{}, ErrClosed
	}
	select {
	case o := <-delivered:
		return o.Result, o.err
	case <-ctx.Done():
		return Result{}, e.conn.Ended(ctx)
	}
}

// serialize runs create when no other create of the same path is running in the session.
// The owner of an ephemeral node of a fixed name shows which session created it, but not
// which of two goroutines of the session.
func (e *Epoch) serialize(ctx context.Context, op Op, create func()) error {
	if !op.create.unique {
		if err := e.session.creates.Lock(ctx, op.path); err != nil {
			return err
		}
		defer e.session.creates.Unlock(op.path)
	}
	create()
	return nil
}

// createWithParents creates a node and, with the option Parents, its missing ancestors.
// ctx and settle are those of commit.
func (e *Epoch) createWithParents(ctx, settle context.Context, op Op) (Result, error) {
	for {
		results, err := e.commit(ctx, settle, []Op{op})
		if err == nil {
			return results[0], nil
		}
		if !op.create.parents || !errors.Is(err, ErrNoNode) {
			return Result{}, err
		}
		if err := e.createAncestors(ctx, op.path); err != nil {
			return Result{}, err
		}
	}
}

// CreateAncestors creates the missing ancestors of path, as containers, in one round
// trip. Use it before a transaction that creates path, where the option Parents has no
// effect.
func (s *Session) CreateAncestors(ctx context.Context, path string) error {
	_, err := inCurrentEpoch(ctx, s, func(e *Epoch) (struct{}, error) {
		err := checkPath(path)
		if err == nil {
			err = e.createAncestors(ctx, path)
		}
		return struct{}{}, err
	})
	return opError("create ancestors of", path, err)
}

// createAncestors creates the missing ancestors of path, including the chroot, with
// requests that are sent together. A refusal for a distant ancestor does not matter if
// the parent of path exists in the end: the ancestor may exist already, and the client
// may have no right to create it.
func (e *Epoch) createAncestors(ctx context.Context, path string) error {
	parent, _ := Split(path)
	abs := e.session.root.abs(parent)
	var missing []string
	for p := abs; p != "/"; p, _ = Split(p) {
		missing = append([]string{p}, missing...)
	}
	tries := make([]conn.Tries, len(missing))
	for {
		kind, flags, reply := wire.OpCreateContainer, wire.FlagContainer, func() wire.Record { return &wire.CreateResponse{} }
		if e.conn.Lacks(kind) {
			kind, flags, reply = wire.OpCreate, wire.FlagPersistent, func() wire.Record { return &wire.Path{} }
		}
		var calls []*conn.Call
		for i, p := range missing {
			calls = append(calls, conn.NewCall(kind, p, &wire.CreateRequest{
				Path: p, Data: []byte{}, ACL: e.session.opts.acl, Flags: flags,
			}, reply()))
			calls[i].Tries = &tries[i]
		}
		if len(calls) == 0 {
			return nil
		}
		if _, err := e.conn.Exchange(ctx, calls...); err != nil {
			return err
		}
		var first error // the first refusal that is not "it exists"
		for _, c := range calls {
			if err := c.Result(); err != nil && !errors.Is(err, ErrNodeExists) && first == nil {
				first = opError("create", e.session.root.rel(c.Path), err)
			}
		}
		for _, c := range calls {
			e.conn.Learn(c)
		}
		if kind == wire.OpCreateContainer && e.conn.Lacks(kind) {
			clear(tries)
			continue
		}
		switch last := calls[len(calls)-1]; {
		case slices.ContainsFunc(calls, (*conn.Call).Retryable):
			e.conn.Throttle(ctx, calls...)
		case last.Result() == nil, errors.Is(last.Result(), ErrNodeExists):
			return nil
		case errors.Is(first, ErrNoNode): // an ancestor existed or was just created, and has been deleted since
		default:
			return first
		}
	}
}

// siblings stores the list that was requested together with a create. If the connection
// broke between the two replies, it requests the list again. If that fails, the create
// fails too: an ephemeral node is deleted in the background if ctx is the epoch's, and
// otherwise the error is ErrUnknown, since the node may exist.
func (e *Epoch) siblings(ctx context.Context, op Op, list *conn.Call, made Result) error {
	if err := list.Result(); err == nil {
		*op.create.siblings = list.Reply.(*wire.ChildrenResponse).Children
		return nil
	}
	parent, _ := Split(made.Path)
	names, err := e.Children(ctx, parent)
	switch {
	case err == nil:
		*op.create.siblings = names
	case op.create.ephemeral && ctx == e.ctx:
		e.DeleteEventually(made.Path, made.Stat.Czxid, nil)
	default:
		err = unknown(err)
	}
	return err
}

// find returns the one child of parent whose name begins with prefix.
func find(names []string, prefix string) (string, bool) {
	for _, n := range names {
		if strings.HasPrefix(n, prefix) {
			return n, true
		}
	}
	return "", false
}
