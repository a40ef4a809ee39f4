package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
	"github.com/zkrecipes/zkrecipes/internal/client/conn"
	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// Set replaces a node's data if the node has the given version, or whatever its version
// is if version is AnyVersion. If the reply is lost and the node has changed since in a way
// that may be this write, the error is ErrUnknown.
func (s *Session) Set(ctx context.Context, path string, data []byte, version int32) (Stat, error) {
	results, err := s.Txn(ctx, OpSet(path, data, version))
	if err != nil {
		return Stat{}, err
	}
	return results[0].Stat, nil
}

// Delete deletes a node if it has the given version, or whatever its version is if version
// is AnyVersion. If Delete returns nil, this call deleted the node. If the reply is lost
// and the node no longer exists, the error is ErrUnknown.
func (s *Session) Delete(ctx context.Context, path string, version int32) error {
	_, err := s.Txn(ctx, OpDelete(path, version))
	return err
}

// Txn commits all ops or none. If the servers refuse one of ops, the error is an
// *OpError of that op. If the reply is lost and the outcome cannot be found out, the
// error is ErrUnknown; see TxnWithReceipt.
func (s *Session) Txn(ctx context.Context, ops ...Op) ([]Result, error) {
	return inCurrentEpoch(ctx, s, func(e *Epoch) ([]Result, error) { return e.Txn(ctx, ops...) })
}

// Txn is Session.Txn in this epoch only: it fails with ErrExpired if the epoch has
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

// check returns an error if one of ops has a bad argument.
func (e *Epoch) check(ops []Op) error {
	for i := range ops {
		if err := ops[i].check(e.session); err != nil {
			return opError(ops[i].name(), ops[i].path, err)
		}
	}
	return nil
}

// SetACL replaces a node's access control list if the present one has the given version
// (Stat.Aversion). If the reply is lost, the error is ErrUnknown.
func (s *Session) SetACL(ctx context.Context, path string, acl []ACL, version int32) (Stat, error) {
	st, err := inCurrentEpoch(ctx, s, func(e *Epoch) (Stat, error) {
		if err := checkPath(path); err != nil {
			return Stat{}, err
		}
		abs := s.root.abs(path)
		var tries conn.Tries
		for {
			c := conn.NewCall(wire.OpSetACL, abs, &wire.SetACLRequest{Path: abs, ACL: toWireACL(acl), Version: version}, &wire.Stat{})
			c.Tries = &tries
			sent, err := e.conn.Exchange(ctx, c)
			switch {
			case err != nil && sent:
				return Stat{}, unknown(err)
			case err != nil:
				return Stat{}, err
			case errors.Is(c.Err, conn.ErrAuthRequired):
				return Stat{}, c.Err
			case c.Err != nil && c.Written:
				return Stat{}, unknown(c.Err)
			case c.Retryable():
				e.conn.Throttle(ctx, c)
			default:
				return fromWire(c.Reply.(*wire.Stat)), c.Result()
			}
		}
	})
	return st, opError("set ACL of", path, err)
}

// DeleteEventually deletes an ephemeral node of the epoch in the background, and retries
// until the node is deleted or the epoch has ended. Only recipes need it, to end what
// they own.
//
// It calls done, which may be nil, once: with nil when the node is deleted or the epoch
// has ended, or with the error when the server refuses the delete. A refusal is also
// logged, and the delete is retried after pauses of a second to a minute, since the
// permission may be granted again.
//
// If other clients may use the name of the node, give the node's czxid: then only the
// node that was created by that transaction is deleted, at the cost of another round
// trip. With 0 the node at path is deleted, whatever transaction created it.
func (e *Epoch) DeleteEventually(path string, czxid Zxid, done func(error)) {
	if done == nil {
		done = func(error) {}
	}
	var once sync.Once
	report := func(err error) { once.Do(func() { done(err) }) }
	started := e.session.spawn(func() {
		pauses := backoff.New(shortestRefusal, longestRefusal, 0)
		for {
			err := e.deleteOwn(path, czxid)
			switch {
			case err == nil, errors.Is(err, ErrNoNode), e.ctx.Err() != nil:
				report(nil)
				return
			case errors.Is(err, ErrUnknown), errors.Is(err, ErrBadVersion):
				continue
			}
			pause := pauses.Next()
			e.session.opts.conn.Log.Error("zookeeper: cannot delete own node", "path", path, "err", err, "retry", pause)
			report(err)
			backoff.Sleep(pause, e.ctx)
		}
	})
	if !started {
		report(nil) // closing the session deletes the node
	}
}

// The pauses between tries to delete a node that the server refuses to delete.
const (
	shortestRefusal = time.Second
	longestRefusal  = time.Minute
)

// deleteOwn deletes a node once; see DeleteEventually.
func (e *Epoch) deleteOwn(path string, czxid Zxid) error {
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

// commit commits ops. ctx bounds the time until they are sent; settle bounds the wait
// for the outcome, which is found out if the reply is lost.
func (e *Epoch) commit(ctx, settle context.Context, ops []Op) ([]Result, error) {
	return e.commitAnd(ctx, settle, ops, e.resolve, nil)
}

// resolver finds out the outcome of ops; see Epoch.resolve.
type resolver func(ctx context.Context, ops []Op, before int64) (results []Result, done bool, err error)

// commitAnd is commit with the given resolver. It calls doubt, if that is not nil, when
// ctx is done or the epoch has ended, and the outcome of a request that was sent is not
// known yet.
func (e *Epoch) commitAnd(ctx, settle context.Context, ops []Op, resolve resolver, doubt func()) ([]Result, error) {
	if doubt == nil {
		doubt = func() {}
	}
	c := &commitment{epoch: e, ctx: ctx, settle: settle, ops: ops, resolve: resolve, doubt: doubt}
	return c.run()
}

// commitment is one call of commitAnd.
type commitment struct {
	epoch       *Epoch
	ctx, settle context.Context
	ops         []Op
	resolve     resolver
	doubt       func()

	tries, listTries conn.Tries // of the request and of the list request
}

// run sends the request until a server answers it or the outcome is known otherwise.
func (c *commitment) run() ([]Result, error) {
	for {
		before := c.epoch.conn.LastZxid()
		request, list, err := c.newCalls()
		if err != nil {
			return nil, err
		}
		if err := c.send(request, list); err != nil {
			return nil, err
		}
		var results []Result
		done := false
		switch {
		case errors.Is(request.Err, conn.ErrAuthRequired): // the reply to an earlier request
			return nil, request.Err
		case request.Err == nil && request.Retryable(): // the server did not execute it
			c.epoch.conn.Throttle(c.ctx, request)
		case request.Err == nil:
			results, done, err = c.answered(request, list)
		case request.Written:
			results, done, err = c.lost(request, before)
		}
		if done || err != nil {
			return results, err
		}
	}
}

// newCalls returns the calls of commitCalls, to be sent once.
func (c *commitment) newCalls() (request, list *conn.Call, err error) {
	if err := c.epoch.unsupported(c.ops); err != nil {
		return nil, nil, err
	}
	request, list = c.epoch.commitCalls(c.ops)
	if n, most := len(wire.Frame(request.Body)), c.epoch.session.opts.conn.MaxBuffer; n > most-16 {
		return nil, nil, fmt.Errorf("%w: a request of %d bytes, and it may have %d (see WithMaxBuffer)", ErrInvalid, n, most)
	}
	request.Tries = &c.tries
	if list != nil {
		list.Tries = &c.listTries
	}
	return request, list, nil
}

// send sends the calls and waits for the replies. It waits until settle is done if they
// were sent before ctx was done. The error is ErrUnknown if they were sent.
func (c *commitment) send(request, list *conn.Call) error {
	flight := []*conn.Call{request}
	if list != nil {
		flight = append(flight, list)
	}
	sent, err := c.epoch.conn.Exchange(c.ctx, flight...)
	if err != nil && sent && c.settle != c.ctx {
		c.doubt()
		err = c.epoch.conn.Await(c.settle, flight...)
	}
	if err != nil && sent {
		return unknown(err)
	}
	return err
}

// answered returns the results that the server returned, or its refusal. done is false
// if the request must be sent in another form.
func (c *commitment) answered(request, list *conn.Call) (results []Result, done bool, err error) {
	switch learned, err := c.epoch.learnFrom(c.settle, c.ops, request); {
	case err != nil:
		return nil, false, err
	case learned:
		c.tries = conn.Tries{}
		return nil, false, nil
	}
	results, err = c.epoch.commitResults(c.ops, request)
	if err == nil && list != nil {
		err = c.epoch.siblings(c.settle, c.ops[0], list, results[0])
	}
	return results, true, err
}

// lost finds out the outcome of a request whose reply was lost. If neither done nor an
// error is returned, it was not committed and must be sent again.
func (c *commitment) lost(request *conn.Call, before int64) (results []Result, done bool, err error) {
	defer context.AfterFunc(c.ctx, c.doubt)()
	results, done, err = c.resolve(c.settle, c.ops, before)
	if done || err == nil && request.Retryable() {
		return results, done, err
	}
	// The request may have broken the connection.
	learned, learnErr := c.epoch.learnFrom(c.settle, c.ops, request)
	switch {
	case learned: // the servers refuse the operation, so it was not committed, even if the nodes do not show that
		c.tries = conn.Tries{}
		return nil, false, nil
	case err != nil && learnErr != nil:
		return nil, false, fmt.Errorf("%w: %w", err, learnErr)
	case err != nil && !request.Retryable():
		return nil, false, fmt.Errorf("%w: %w", err, request.Err)
	case err != nil:
		return nil, false, err
	default:
		return nil, false, request.Err
	}
}

// commitCalls returns the request for ops and, for the option Siblings, the list request
// that follows it.
func (e *Epoch) commitCalls(ops []Op) (c, list *conn.Call) {
	if len(ops) > 1 {
		req := &wire.MultiRequest{}
		for i := range ops {
			kind := e.createKind(&ops[i])
			req.Ops = append(req.Ops, wire.MultiOp{Op: kind, Body: ops[i].recordAs(kind, e.session)})
		}
		return conn.NewCall(wire.OpMulti, "", req, &wire.MultiResponse{}), nil
	}
	op := &ops[0]
	abs := e.session.root.abs(op.path)
	switch op.kind {
	case wire.OpSetData:
		return conn.NewCall(op.kind, abs, op.record(e.session), &wire.Stat{}), nil
	case wire.OpDelete:
		return conn.NewCall(op.kind, abs, op.record(e.session), &wire.Empty{}), nil
	case wire.OpCheck: // not every server knows it outside of a transaction
		req := &wire.MultiRequest{Ops: []wire.MultiOp{{Op: op.kind, Body: op.record(e.session)}}}
		return conn.NewCall(wire.OpMulti, abs, req, &wire.MultiResponse{}), nil
	}
	kind := e.createKind(op)
	c = conn.NewCall(kind, abs, op.recordAs(kind, e.session), &wire.CreateResponse{})
	if kind == wire.OpCreate {
		c.Reply = &wire.Path{}
	}
	if op.create.siblings != nil {
		parent, _ := Split(op.path)
		list = e.readCall(wire.OpGetChildren2, parent, false)
	}
	return c, list
}

// made returns the Result of an op for which the server returned no Stat.
func (e *Epoch) made(op *Op, zxid Zxid) Result {
	r := op.resultAt(zxid)
	if op.create.ephemeral {
		r.Stat.EphemeralOwner = e.ID()
	}
	return r
}

func (e *Epoch) commitResults(ops []Op, c *conn.Call) ([]Result, error) {
	root := e.session.root
	switch r := c.Reply.(type) {
	case *wire.MultiResponse:
		results := make([]Result, len(ops))
		for i, res := range r.Results {
			if i >= len(ops) {
				break
			}
			if res.Op == wire.OpError && res.Err != wire.OK && res.Err != wire.CodeRuntimeInconsistency {
				return nil, opError(ops[i].name(), ops[i].path, ops[i].refusal(conn.ErrorOf(res.Err)))
			}
			results[i].Stat = fromWire(&res.Stat)
			if results[i].Stat.Mzxid == 0 { // servers before 3.9 do not return it for a create
				results[i].Stat = e.made(&ops[i], Zxid(c.Zxid)).Stat
			}
			if res.Path != "" {
				results[i].Path = root.rel(res.Path)
			}
		}
		return results, c.Result()
	case *wire.Path: // of create, which returns no Stat
		made := e.made(&ops[0], Zxid(c.Zxid))
		made.Path = root.rel(r.Path)
		return []Result{made}, ops[0].refusal(c.Result())
	case *wire.CreateResponse:
		return []Result{{root.rel(r.Path), fromWire(&r.Stat)}}, ops[0].refusal(c.Result())
	case *wire.Stat:
		return []Result{{Stat: fromWire(r)}}, c.Result()
	default:
		return []Result{{}}, c.Result()
	}
}
