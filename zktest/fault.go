package zktest

import (
	"slices"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// A Fault is what a server does to one request instead of serving it normally.
type Fault uint8

// The faults of a request.
const (
	Pass         Fault = iota // serve it normally
	DropReply                 // apply it, then close the connection: the reply is lost
	Refuse                    // close the connection without applying it: the request is lost
	Hang                      // never answer it, nor later requests on the connection, which stays open
	Cut                       // apply it and reply, then close the connection
	ExpireBefore              // expire the session instead of applying it
	ExpireAfter               // apply it, then expire the session: the reply is lost
	Corrupt                   // apply it and reply with every bit after the xid inverted
)

// A Request is a request that the server has received.
type Request struct {
	Op      string // ZooKeeper's name of the operation: "create", "getData"; "connect" for the handshake
	Path    string // of a transaction, that of the first operation; "" if there is none
	Session int64  // 0 in the handshake of a new session
	Xid     int32
	N       int // number of the request on this server, from 1; pings are not counted
}

// Fault calls f for each request to decide what happens to it. Use it where a [Rule] is
// not enough; remove ends it.
//
// f is called in the order in which requests arrive, also for handshakes and for the
// ends of sessions, but not for pings. If there are several functions, the first that
// does not return Pass decides. From the call of f until its request is served, no other
// request is served, unless a [Rule] delays this one. f may call any method of the server
// except Close.
func (s *Server) Fault(f func(Request) Fault) (remove func()) {
	return s.addFault(func(r Request) decision {
		fault := f(r)
		return decision{fault: fault, decided: fault != Pass}
	})
}

func (s *Server) addFault(f func(Request) decision) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	installed := &f
	s.setFaults(append(slices.Clone(s.faults), installed))
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.setFaults(slices.DeleteFunc(slices.Clone(s.faults), func(g *func(Request) decision) bool {
			return g == installed
		}))
	}
}

func (s *Server) setFaults(faults []*func(Request) decision) {
	s.faults = faults
	s.hasFaults.Store(len(faults) > 0)
}

// minRecorded is how many requests the list of Requests has at least before the first
// ones are removed.
const minRecorded = 1 << 16

// Requests returns the requests that the server has received, in order and without
// pings. It returns at least the last 65,536.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// ResetRequests empties the list of Requests. Request.N continues to count.
func (s *Server) ResetRequests() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// receive serves one frame of a connection. It returns false if nothing more is to be
// read from the connection.
func (s *Server) receive(c *conn, frame []byte) (more bool) {
	var greeting wire.ConnectRequest
	var q *call
	if !c.handshakeDone {
		if wire.Unmarshal(frame, &greeting) != nil {
			return false
		}
		q = &call{op: "connect", body: &greeting}
	} else {
		var err error
		if q, err = decode(frame, s.opts.old); err != nil {
			return false
		}
	}
	s.waitWhilePaused()
	if !s.hasFaults.Load() || q.hdr.Op == wire.OpPing {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.admit(c, q) {
			s.record(c, q)
			return s.serve(c, q)
		}
		return true
	}
	return s.receiveFaulty(c, q)
}

// receiveFaulty calls the fault functions and serves the request, after their delay if
// there is one. Without a delay no other request is served in between: faultSem is held. It
// is a channel and not a mutex, so that a function that waits blocks durably in a synctest
// bubble.
func (s *Server) receiveFaulty(c *conn, q *call) (more bool) {
	select {
	case s.faultSem <- struct{}{}:
	case <-s.ctx.Done():
		return false
	}
	v, ok := s.decide(c, q)
	if ok && v.delay == 0 {
		defer func() { <-s.faultSem }()
		return s.injectAdmitted(c, q, v.fault)
	}
	<-s.faultSem
	switch {
	case !ok:
		return true
	case backoff.Sleep(v.delay, s.ctx) != nil:
		return false
	}
	return s.injectAdmitted(c, q, v.fault)
}

// decide calls the fault functions. ok is false if the request does not reach the server.
func (s *Server) decide(c *conn, q *call) (v decision, ok bool) {
	s.mu.Lock()
	if !s.admit(c, q) {
		s.mu.Unlock()
		return v, false
	}
	r := s.record(c, q)
	faults := s.faults
	s.mu.Unlock()
	for _, f := range faults {
		if v = (*f)(r); v.decided {
			break
		}
	}
	return v, true
}

func (s *Server) injectAdmitted(c *conn, q *call, fault Fault) (more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.admit(c, q) {
		return true // the connection has been closed or cut off meanwhile
	}
	return s.inject(c, q, fault)
}

func (s *Server) inject(c *conn, q *call, fault Fault) (more bool) {
	switch fault {
	case Refuse:
		s.cut(c)
		return true
	case Hang:
		c.hung = true
		return true
	case ExpireBefore:
		if r, ok := q.body.(*wire.ConnectRequest); ok && r.SessionID != 0 {
			if ss := s.sessions[r.SessionID]; ss != nil {
				s.expire(ss)
			}
			return s.serve(c, q) // the reply reports the expiration
		}
		s.expireConn(c)
		return true
	case DropReply, ExpireAfter:
		c.dropReplies = true
		more = s.serve(c, q)
		if fault == ExpireAfter {
			s.expireConn(c)
		}
		s.cut(c)
		return more
	case Cut:
		more = s.serve(c, q)
		c.afterApplied(func() { s.cut(c) })
		return more
	case Corrupt:
		c.afterApplied(func() { c.corruptReplies = true })
		more = s.serve(c, q)
		c.afterApplied(func() { c.corruptReplies = false })
		return more
	}
	return s.serve(c, q)
}

func (s *Server) expireConn(c *conn) {
	if c.session != nil && s.sessions[c.id] == c.session {
		s.expire(c.session)
	}
	s.cut(c)
}

// admit reports whether a request reaches the server.
func (s *Server) admit(c *conn, q *call) bool {
	if c.detached || s.stopped {
		return false
	}
	if r, ok := q.body.(*wire.ConnectRequest); ok {
		s.applyPartitions(c, r.SessionID)
	}
	return !c.silent()
}

func (s *Server) record(c *conn, q *call) Request {
	if q.hdr.Op == wire.OpPing {
		return Request{}
	}
	s.requestCount++
	r := Request{Op: q.op, Path: q.path, Session: c.id, Xid: q.hdr.Xid, N: s.requestCount}
	if greeting, ok := q.body.(*wire.ConnectRequest); ok {
		r.Session = greeting.SessionID
	}
	if len(s.requests) >= 2*minRecorded {
		s.requests = slices.Clone(s.requests[minRecorded:])
	}
	s.requests = append(s.requests, r)
	return r
}
