package zktest

import (
	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

// multi applies all operations or none. If one fails, the reply has an error for each
// operation, and the header has none.
func (s *Server) multi(c *conn, xid int32, r *wire.MultiRequest) {
	t := s.begin(c)
	if len(r.Ops) > 0 && !isWrite(r.Ops[0].Op) {
		s.replicate(t, nil)
		c.afterApplied(func() { s.reply(c, xid, wire.CodeMarshallingError, nil) })
		return
	}
	t.Atomic = true
	answer := &wire.MultiResponse{Results: make([]wire.MultiResult, 0, len(r.Ops))}
	steps := func(t *ztree.Txn) {
		for _, op := range r.Ops {
			t.Apply(opInMulti(op), op.Body)
		}
	}
	for i, op := range r.Ops {
		res, code := t.Apply(opInMulti(op), op.Body)
		if code != wire.OK {
			t.Rollback()
			steps = nil
			answer.Results = failedResults(len(r.Ops), i, code)
			break
		}
		res.Op = s.replyOp(res.Op)
		answer.Results = append(answer.Results, res)
	}
	s.watches.fire(t.Triggers(), t.Zxid)
	s.replicate(t, steps)
	s.ensureReap()
	c.afterApplied(func() { s.reply(c, xid, wire.OK, answer) })
}

// replyOp returns the operation in the result of one that has succeeded.
func (s *Server) replyOp(op wire.Op) wire.Op {
	switch {
	case op == wire.OpCreate2 && s.opts.old:
		return wire.OpCreate
	case op == wire.OpCreateContainer, op == wire.OpCreateTTL:
		return wire.OpCreate2
	}
	return op
}

// failedResults returns the results of n operations of which the one at index i failed.
func failedResults(n, i int, code wire.Code) []wire.MultiResult {
	results := make([]wire.MultiResult, n)
	for k := range results {
		results[k].Op = wire.OpError
		switch {
		case k == i:
			results[k].Err = code
		case k > i:
			results[k].Err = wire.CodeRuntimeInconsistency
		}
	}
	return results
}

// opInMulti returns the operation as which a transaction executes op. The flags of a
// create decide on it, not its name.
func opInMulti(op wire.MultiOp) wire.Op {
	r, ok := op.Body.(*wire.CreateRequest)
	switch {
	case !ok:
		return op.Op
	case r.Flags == wire.FlagContainer:
		return wire.OpCreateContainer
	case op.Op == wire.OpCreateTTL && !hasTTL(r.Flags):
		return wire.OpCreate
	}
	return op.Op
}

// hasTTL reports whether nodes with these flags have a time to live.
func hasTTL(flags int32) bool {
	return flags == wire.FlagTTL || flags == wire.FlagPersistentSequentialTTL
}

// isMalformed reports whether the server cannot decode the request: it has reads and
// writes, or a node with a time to live whose length is missing.
func isMalformed(r *wire.MultiRequest) bool {
	for _, op := range r.Ops {
		if isWrite(op.Op) != isWrite(r.Ops[0].Op) {
			return true
		}
		if create, ok := op.Body.(*wire.CreateRequest); ok && !create.HasTTL && hasTTL(create.Flags) {
			return true
		}
	}
	return false
}

// multiRead executes the reads. Each has a result or an error.
func (s *Server) multiRead(c *conn, r *wire.MultiRequest) (wire.Code, wire.Record) {
	answer := &wire.MultiResponse{}
	for _, op := range r.Ops {
		read, ok := op.Body.(*wire.PathWatch)
		if !ok {
			return wire.CodeMarshallingError, answer
		}
		n, code := s.readable(c, read.Path, wire.PermRead)
		res := wire.MultiResult{Op: op.Op}
		switch {
		case code != wire.OK:
			res = wire.MultiResult{Op: wire.OpError, Err: code}
		case op.Op == wire.OpGetData:
			res.Data, res.Stat = n.Data(), n.Stat()
		default:
			res.Children = n.Children()
		}
		answer.Results = append(answer.Results, res)
	}
	return wire.OK, answer
}
