package zktest

import (
	"cmp"
	"slices"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

// serve answers a request. It returns false if the connection has to be closed at once.
func (s *Server) serve(c *conn, q *call) (more bool) {
	c.received++
	s.received++
	if greeting, ok := q.body.(*wire.ConnectRequest); ok {
		more := s.handshake(c, greeting)
		c.last.record(s, "SESS", 0)
		return more
	}
	if q.hdr.Op == wire.OpAuth {
		return s.auth(c, q)
	}
	if q.hdr.Op == wire.OpSASL {
		if q.malformed {
			return false
		}
		// No mechanism is configured. The server then replies with an empty token.
		c.send(&wire.ReplyHeader{Xid: q.hdr.Xid}, &wire.Token{})
		return true
	}
	if len(s.opts.schemes) > 0 && !slices.ContainsFunc(c.ids, func(id ztree.AuthID) bool { return slices.Contains(s.opts.schemes, id.Scheme) }) {
		c.send(&wire.ReplyHeader{Xid: q.hdr.Xid, Err: wire.CodeSASLRequired})
		s.cut(c)
		return true
	}
	s.touch(c)
	switch {
	case c.follower == nil:
	case isForwarded(q) && c.sessionEnded():
		return true // the leader refuses it, and the connection is closed before the reply
	case !isForwarded(q) && len(c.deferred) > 0:
		c.deferred = append(c.deferred, deferredReply{0, func() {
			if !s.perform(c, q) {
				s.detach(c)
				c.closeNow()
			}
		}})
		return true
	}
	return s.perform(c, q)
}

// perform executes a request and records it as the connection's last request.
func (s *Server) perform(c *conn, q *call) (more bool) {
	c.writeFailed = false
	more = s.execute(c, q)
	name := operationNames[q.hdr.Op]
	if c.writeFailed {
		name = ""
	}
	c.last.record(s, cmp.Or(name, "NA"), q.hdr.Xid)
	return more
}

func (s *Server) execute(c *conn, q *call) (more bool) {
	op, xid := q.hdr.Op, q.hdr.Xid
	if op == wire.OpPing {
		s.reply(c, wire.XidPing, wire.OK, nil)
		return true
	}
	if c.isolated > 0 && (c.writePending || !q.answeredIsolated()) {
		c.writePending = true
		return true
	}
	if how := s.refusal(q); how != 0 {
		s.refuse(c, xid, how)
		return true
	}
	switch op {
	case wire.OpClose:
		s.endSession(c.session)
		c.afterApplied(func() {
			s.reply(c, xid, wire.OK, nil)
			s.cut(c)
		})
		return true
	case wire.OpSync:
		if !q.malformed {
			c.afterApplied(func() { s.reply(c, xid, wire.OK, &wire.Path{Path: ztree.JavaUTF8(q.path)}) })
			return true
		}
	case wire.OpWhoAmI:
		s.reply(c, xid, wire.OK, identity(c.ids))
		return true
	}
	switch {
	case q.body == nil || op == wire.OpCheck && !s.opts.old: // 3.9 accepts check in transactions only
		c.send(&wire.ReplyHeader{Xid: xid, Zxid: noZxid, Err: wire.CodeUnimplemented})
		s.cut(c)
	case q.malformed:
		if op == wire.OpMulti || s.opts.old && isWrite(op) {
			s.skipZxid()
		}
		c.afterApplied(func() { s.reply(c, xid, wire.CodeMarshallingError, nil) })
	case op == wire.OpReconfig:
		s.skipZxid()
		c.afterApplied(func() { s.reply(c, xid, wire.CodeReconfigDisabled, nil) })
	case op == wire.OpMulti:
		s.multi(c, xid, q.body.(*wire.MultiRequest))
	case isWrite(op):
		s.write(c, xid, op, q.body)
	default:
		code, body := s.readOp(c, op, q.body)
		s.reply(c, xid, code, body)
	}
	return true
}

// isWrite reports whether an operation runs as a transaction of one operation.
func isWrite(op wire.Op) bool {
	switch op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL,
		wire.OpDelete, wire.OpDeleteContainer, wire.OpSetData, wire.OpSetACL, wire.OpCheck:
		return true
	}
	return false
}

// auth authenticates a connection. It closes the connection if the scheme is not
// configured. Its replies have no zxid.
func (s *Server) auth(c *conn, q *call) (more bool) {
	r := q.body.(*wire.AuthRequest)
	if q.malformed {
		return false
	}
	switch r.Scheme {
	case "digest":
		id := ztree.DigestID(string(r.Auth))
		if id == s.opts.superDigest {
			c.ids = ztree.AddID(c.ids, ztree.AuthID{Scheme: "super"})
		}
		c.ids = ztree.AddID(c.ids, ztree.AuthID{Scheme: "digest", ID: id})
	case "ip":
		// The address is among the ids from the start.
	default:
		c.send(&wire.ReplyHeader{Xid: q.hdr.Xid, Err: wire.CodeAuthFailed})
		s.cut(c)
		return true
	}
	c.send(&wire.ReplyHeader{Xid: q.hdr.Xid})
	return true
}

// write applies one operation and replies. Watch events are sent before the reply.
func (s *Server) write(c *conn, xid int32, op wire.Op, body wire.Record) {
	t := s.begin(c)
	res, code := t.Apply(op, body)
	s.watches.fire(t.Triggers(), t.Zxid)
	if code != wire.OK {
		c.writeFailed = true
		s.replicate(t, nil)
		c.afterApplied(func() { s.reply(c, xid, code, nil) })
		return
	}
	s.replicate(t, func(t *ztree.Txn) { t.Apply(op, body) })
	s.ensureReap()
	var answer wire.Record
	switch op {
	case wire.OpCreate:
		answer = &wire.Path{Path: res.Path}
	case wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL:
		answer = &wire.CreateResponse{Path: res.Path, Stat: res.Stat}
	case wire.OpSetData, wire.OpSetACL:
		answer = &res.Stat
	}
	c.afterApplied(func() { s.reply(c, xid, code, answer) })
}

// ensureReap schedules the check for expired nodes if there is none and the tree has nodes
// that can expire.
func (s *Server) ensureReap() {
	if s.reapAt.IsZero() && s.tree.HasExpirable() {
		s.scheduleReap()
		s.wakeBy(s.reapAt)
	}
}
