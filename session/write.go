package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// Set replaces a node's data, if its version is as given, or whatever it is if
// version is AnyVersion. If the reply is lost and the node has changed since in
// a way that may be this one, the error is ErrUnknown.
func (s *Session) Set(ctx context.Context, path string, data []byte, version int32) (Stat, error) {
	results, err := s.commit(ctx, OpSet(path, data, version))
	if err != nil {
		return Stat{}, err
	}
	return results[0].Stat, nil
}

// Delete deletes a node, if its version is as given, or whatever it is if
// version is AnyVersion. A nil error says that this call deleted it; if the
// reply is lost and the node is gone, the error is ErrUnknown.
func (s *Session) Delete(ctx context.Context, path string, version int32) error {
	_, err := s.commit(ctx, OpDelete(path, version))
	return err
}

// Txn carries out all ops or none. The error of a transaction that failed names
// the op that it failed for.
func (s *Session) Txn(ctx context.Context, ops ...Op) ([]Result, error) {
	return s.commit(ctx, ops...)
}

func (s *Session) commit(ctx context.Context, ops ...Op) ([]Result, error) {
	return inCurrentEpoch(ctx, s, func(e *Epoch) ([]Result, error) { return e.Txn(ctx, ops...) })
}

// Txn is Session.Txn within the epoch: it fails with ErrExpired if the epoch has
// ended.
func (e *Epoch) Txn(ctx context.Context, ops ...Op) ([]Result, error) {
	if len(ops) == 0 {
		return nil, nil
	}
	if err := e.check(ops); err != nil {
		return nil, err
	}
	results, err := e.commit(ctx, ctx, ops)
	return results, opError(ops[0].name(), ops[0].path, err)
}

// check refuses ops that are not worth sending.
func (e *Epoch) check(ops []Op) error {
	for i := range ops {
		if err := ops[i].check(e.session); err != nil {
			return opError(ops[i].name(), ops[i].path, err)
		}
	}
	return nil
}

// SetACL replaces a node's access control list, if the version of the present
// one (Stat.Aversion) is as given. If the reply is lost, the error is ErrUnknown.
func (s *Session) SetACL(ctx context.Context, path string, acl []ACL, version int32) (Stat, error) {
	st, err := inCurrentEpoch(ctx, s, func(e *Epoch) (Stat, error) {
		if err := checkPath(path); err != nil {
			return Stat{}, err
		}
		abs := s.root.abs(path)
		var tries attempts
		for {
			c := newCall(wire.OpSetACL, abs, &wire.SetACLRequest{Path: abs, ACL: toWireACL(acl), Version: version}, &wire.Stat{})
			c.attempts = &tries
			sent, err := e.exchange(ctx, c)
			switch {
			case err != nil && sent:
				return Stat{}, unknown(err)
			case err != nil:
				return Stat{}, err
			case errors.Is(c.err, errAuthRequired):
				return Stat{}, c.err
			case c.err != nil && c.written:
				return Stat{}, unknown(c.err)
			case c.retryable():
				e.throttle(ctx, c)
			default:
				return fromWire(c.reply.(*wire.Stat)), c.result()
			}
		}
	})
	return st, opError("set ACL of", path, err)
}

// DeleteEventually deletes a node of the caller's own, in the background, and retries until
// the node is gone or the epoch has ended, and the node with it. Then it calls
// done, which may be nil, with nil. If the server refuses the delete, DeleteEventually logs
// that, calls done with the refusal, and goes on after pauses of a second to a
// minute, since the right to delete may come back. It calls done once.
//
// czxid is that of the node: if its name may be used by others, only the one
// created by that transaction is deleted, at the cost of a round trip; 0 deletes
// any.
func (e *Epoch) DeleteEventually(path string, czxid Zxid, done func(error)) {
	if done == nil {
		done = func(error) {}
	}
	var once sync.Once
	tell := func(err error) { once.Do(func() { done(err) }) }
	started := e.session.spawn(func() {
		pauses := backoff.New(shortestRefusal, longestRefusal, 0)
		for {
			err := e.discard(path, czxid)
			switch {
			case err == nil, errors.Is(err, ErrNoNode), e.ctx.Err() != nil:
				tell(nil)
				return
			case errors.Is(err, ErrUnknown), errors.Is(err, ErrBadVersion):
				continue
			}
			pause := pauses.Next()
			e.session.opts.log.Error("zookeeper: cannot remove own node", "path", path, "err", err, "retry", pause)
			tell(err)
			backoff.Sleep(pause, e.ctx)
		}
	})
	if !started {
		tell(nil) // closing the session removes it
	}
}

// The pauses between attempts to delete a node that the server refuses to delete.
const (
	shortestRefusal = time.Second
	longestRefusal  = time.Minute
)

func (e *Epoch) discard(path string, czxid Zxid) error {
	version := AnyVersion
	if czxid != 0 {
		n, err := e.node(e.ctx, "get", path)
		if err != nil || n.Stat.Czxid != czxid {
			return err
		}
		version = n.Stat.Version
	}
	_, err := e.Txn(e.ctx, OpDelete(path, version))
	return err
}

// commit carries out ops: it sends them while ctx lives, and if the reply is
// lost, finds out what became of them while settle lives.
func (e *Epoch) commit(ctx, settle context.Context, ops []Op) ([]Result, error) {
	return e.commitAnd(ctx, settle, ops, e.resolve, nil)
}

// resolver finds out what became of ops; see Epoch.resolve.
type resolver func(ctx context.Context, ops []Op, before int64) (results []Result, done bool, err error)

// commitAnd is commit with a resolver of its own. doubt, if it is not nil, is
// called when ctx has ended and the outcome of what was sent is not known yet.
func (e *Epoch) commitAnd(ctx, settle context.Context, ops []Op, resolve resolver, doubt func()) ([]Result, error) {
	var tries, listTries attempts
	for {
		if err := e.link.capabilities.unsupported(ops); err != nil {
			return nil, err
		}
		before := e.link.lastZxid.Load()
		c, list := e.commitCalls(ops)
		c.attempts = &tries
		if n, most := len(wire.Frame(c.body)), e.session.opts.maxBuffer; n > most-16 {
			return nil, fmt.Errorf("%w: a request of %d bytes, and it may have %d (see WithMaxBuffer)", ErrInvalid, n, most)
		}
		flight := []*call{c}
		if list != nil {
			list.attempts = &listTries
			flight = append(flight, list)
		}
		sent, err := e.exchange(ctx, flight...)
		if err != nil && sent && settle != ctx {
			if doubt != nil {
				doubt()
			}
			_, err = e.settled(settle, flight)
		}
		switch {
		case err != nil && !sent:
			return nil, err
		case err != nil:
			return nil, unknown(err)
		case c.err == nil && !c.retryable():
			switch learned, err := e.learnFrom(settle, ops, c); {
			case err != nil:
				return nil, err
			case learned:
				tries = attempts{}
				continue
			}
			results, err := e.commitResults(ops, c)
			if err == nil && list != nil {
				err = e.siblings(settle, ops[0], list, results[0])
			}
			return results, err
		case errors.Is(c.err, errAuthRequired): // in answer to what was sent before
			return nil, c.err
		case c.err == nil: // the server answered that it did not look
			e.throttle(ctx, c)
		case c.written:
			stop := func() bool { return true }
			if doubt != nil {
				stop = context.AfterFunc(ctx, doubt)
			}
			results, done, err := resolve(settle, ops, before)
			learned, asking := false, error(nil)
			if !done && (err != nil || !c.retryable()) {
				learned, asking = e.learnFrom(settle, ops, c)
			}
			stop()
			switch {
			case done: // whatever broke the connection, it was not this request
				return results, err
			case learned: // what the servers refuse they have not done, even if the tree cannot tell
				tries = attempts{}
			case err != nil && asking != nil:
				return nil, fmt.Errorf("%w: %w", err, asking)
			case err != nil && !c.retryable():
				return nil, fmt.Errorf("%w: %w", err, c.err)
			case err != nil:
				return nil, err
			case !c.retryable():
				return nil, c.err
			}
		}
	}
}

// settled waits for calls that have been sent.
func (e *Epoch) settled(ctx context.Context, calls []*call) (bool, error) {
	for _, c := range calls {
		select {
		case <-c.done:
		case <-ctx.Done():
			return true, e.ended(ctx)
		case <-e.ctx.Done():
			return true, e.ended(ctx)
		}
	}
	return true, nil
}

// commitCalls makes the request, and the list of siblings to go right behind it.
func (e *Epoch) commitCalls(ops []Op) (c, list *call) {
	if len(ops) > 1 {
		req := &wire.MultiRequest{}
		for i := range ops {
			kind := e.link.capabilities.createKind(&ops[i])
			req.Ops = append(req.Ops, wire.MultiOp{Op: kind, Body: ops[i].recordAs(kind, e.session)})
		}
		return newCall(wire.OpMulti, "", req, &wire.MultiResponse{}), nil
	}
	op := &ops[0]
	abs := e.session.root.abs(op.path)
	switch op.kind {
	case wire.OpSetData:
		return newCall(op.kind, abs, op.record(e.session), &wire.Stat{}), nil
	case wire.OpDelete:
		return newCall(op.kind, abs, op.record(e.session), &wire.Empty{}), nil
	case wire.OpCheck: // alone it is not among the operations of every server
		req := &wire.MultiRequest{Ops: []wire.MultiOp{{Op: op.kind, Body: op.record(e.session)}}}
		return newCall(wire.OpMulti, abs, req, &wire.MultiResponse{}), nil
	}
	kind := e.link.capabilities.createKind(op)
	c = newCall(kind, abs, op.recordAs(kind, e.session), &wire.CreateResponse{})
	if kind == wire.OpCreate {
		c.reply = &wire.Path{}
	}
	if op.create.siblings != nil {
		parent, _ := Split(op.path)
		list = e.readCall(wire.OpGetChildren2, parent, false)
	}
	return c, list
}

// made is what is known of an op if the server returns no Stat.
func (e *Epoch) made(op *Op, zxid Zxid) Result {
	r := op.resultAt(zxid)
	if op.create.ephemeral {
		r.Stat.EphemeralOwner = e.ID()
	}
	return r
}

func (e *Epoch) commitResults(ops []Op, c *call) ([]Result, error) {
	root := e.session.root
	switch r := c.reply.(type) {
	case *wire.MultiResponse:
		results := make([]Result, len(ops))
		for i, res := range r.Results {
			if i >= len(ops) {
				break
			}
			if res.Op == wire.OpError && res.Err != wire.OK && res.Err != wire.CodeRuntimeInconsistency {
				return nil, opError(ops[i].name(), ops[i].path, ops[i].refusal(codeToError(res.Err)))
			}
			results[i].Stat = fromWire(&res.Stat)
			if results[i].Stat.Mzxid == 0 { // servers before 3.9 do not tell it of a create
				results[i].Stat = e.made(&ops[i], Zxid(c.zxid)).Stat
			}
			if res.Path != "" {
				results[i].Path = root.rel(res.Path)
			}
		}
		return results, c.result()
	case *wire.Path: // of create, which tells no Stat
		made := e.made(&ops[0], Zxid(c.zxid))
		made.Path = root.rel(r.Path)
		return []Result{made}, ops[0].refusal(c.result())
	case *wire.CreateResponse:
		return []Result{{root.rel(r.Path), fromWire(&r.Stat)}}, ops[0].refusal(c.result())
	case *wire.Stat:
		return []Result{{Stat: fromWire(r)}}, c.result()
	default:
		return []Result{{}}, c.result()
	}
}
