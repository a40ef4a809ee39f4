package session

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// Create creates a node and returns its path, which a sequential one's options
// make longer. An ephemeral node belongs to the epoch in which it is created.
//
// If the reply is lost, the outcome is found out where the tree can tell it:
// always for a node that is Ephemeral or Unique or both, and else if the parent
// has not changed; otherwise the error is ErrUnknown. If ctx ends while an
// ephemeral node is being created, the node is removed in the background.
func (s *Session) Create(ctx context.Context, path string, data []byte, opts ...CreateOption) (string, Stat, error) {
	r, err := inCurrentEpoch(ctx, s, func(e *Epoch) (Result, error) {
		path, st, err := e.Create(ctx, path, data, opts...)
		return Result{path, st}, err
	})
	return r.Path, r.Stat, err
}

// Create is Session.Create within the epoch.
func (e *Epoch) Create(ctx context.Context, path string, data []byte, opts ...CreateOption) (string, Stat, error) {
	op := OpCreate(path, data, opts...)
	if err := op.check(e.session); err != nil {
		return "", Stat{}, opError("create", path, err)
	}
	create := e.createPersistent
	if op.create.ephemeral {
		create = e.createEphemeral
	}
	r, err := create(ctx, op)
	return r.Path, r.Stat, opError("create", path, err)
}

func (e *Epoch) createPersistent(ctx context.Context, op Op) (Result, error) {
	return e.createWithParents(ctx, ctx, op)
}

// createEphemeral sees the creation through to its end in a goroutine of the
// session, however soon the caller leaves, so that no node is left that nobody
// knows of.
func (e *Epoch) createEphemeral(ctx context.Context, op Op) (Result, error) {
	type outcome struct {
		Result
		err error
	}
	delivered := make(chan outcome)
	started := e.session.spawn(func() {
		var o outcome
		if err := e.serialise(ctx, op, func() { o.Result, o.err = e.createWithParents(ctx, e.ctx, op) }); err != nil {
			o.err = err
		}
		if o.err != nil && e.ctx.Err() != nil {
			o.err = context.Cause(e.ctx) // whatever was committed has gone with the epoch
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
		return Result{}, e.ended(ctx)
	}
}

// serialise runs create alone among those of the same path in this process. An
// ephemeral node of a fixed name tells by its owner who created it, but not
// which of two goroutines of one session.
func (e *Epoch) serialise(ctx context.Context, op Op, create func()) error {
	if !op.create.unique {
		if err := e.session.creates.lock(ctx, op.path); err != nil {
			return err
		}
		defer e.session.creates.unlock(op.path)
	}
	create()
	return nil
}

// createWithParents creates a node and, if need be, its ancestors. It sends
// while ctx lives, and finds out what came of it while settle does.
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

// CreateAncestors creates what is missing above path, as containers, all in one
// flight: what the option Parents does before the node itself is created, for
// nodes that a transaction creates.
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

// createAncestors creates what is missing above path, the chroot included, all
// in one flight. Whoever comes too late or lacks the rights to create one that
// exists is not bothered: it is the nearest ancestor that matters.
func (e *Epoch) createAncestors(ctx context.Context, path string) error {
	parent, _ := Split(path)
	abs := e.session.root.abs(parent)
	var missing []string
	for p := abs; p != "/"; p, _ = Split(p) {
		missing = append([]string{p}, missing...)
	}
	tries := make([]attempts, len(missing))
	for {
		kind, flags, reply := wire.OpCreateContainer, wire.FlagContainer, func() wire.Record { return &wire.CreateResponse{} }
		if e.link.capabilities.lacks(kind) {
			kind, flags, reply = wire.OpCreate, wire.FlagPersistent, func() wire.Record { return &wire.Path{} }
		}
		var calls []*call
		for i, p := range missing {
			calls = append(calls, newCall(kind, p, &wire.CreateRequest{
				Path: p, Data: []byte{}, ACL: e.session.opts.acl, Flags: flags,
			}, reply()))
			calls[i].attempts = &tries[i]
		}
		if len(calls) == 0 {
			return nil
		}
		if _, err := e.exchange(ctx, calls...); err != nil {
			return err
		}
		var first error // the first refusal that is not "it exists"
		for _, c := range calls {
			if err := c.result(); err != nil && !errors.Is(err, ErrNodeExists) && first == nil {
				first = opError("create", e.session.root.rel(c.path), err)
			}
		}
		for _, c := range calls {
			e.link.capabilities.learn(c)
		}
		if kind == wire.OpCreateContainer && e.link.capabilities.lacks(kind) {
			clear(tries)
			continue
		}
		switch last := calls[len(calls)-1]; {
		case slices.ContainsFunc(calls, (*call).retryable):
			e.throttle(ctx, calls...)
		case last.result() == nil, errors.Is(last.result(), ErrNodeExists):
			return nil
		case errors.Is(first, ErrNoNode): // an ancestor was there, or was just created, and has been removed
		default:
			return first
		}
	}
}

// siblings stores the list that came behind a create. If the connection broke
// between the two answers, it asks again. A node whose siblings cannot be had is
// of no use: an ephemeral one is removed, unless it is its creator who did not
// wait for them, and of another the caller hears that it may be there.
func (e *Epoch) siblings(ctx context.Context, op Op, list *call, made Result) error {
	if err := list.result(); err == nil {
		*op.create.siblings = list.reply.(*wire.ChildrenResponse).Children
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
