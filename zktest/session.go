package zktest

import (
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

// A session is a ZooKeeper session.
type session struct {
	id      int64
	passwd  []byte
	timeout time.Duration
	conn    *conn // nil while the client is not connected
	bucket  int64 // the tick at which it expires
}

// An expiry holds the sessions by when they expire. As on a real server, a session that
// was touched at t expires at the first tick after t+timeout, never at it. A bucket
// holds the sessions of one tick, so touching a session takes constant time.
type expiry struct {
	tick    time.Duration
	start   time.Time
	buckets map[int64]map[*session]struct{}
}

func (e *expiry) touch(s *session, timeout time.Duration) {
	bucket := int64((time.Since(e.start)+timeout)/e.tick) + 1
	if bucket == s.bucket {
		return
	}
	e.drop(s)
	s.bucket = bucket
	if e.buckets[bucket] == nil {
		e.buckets[bucket] = make(map[*session]struct{})
	}
	e.buckets[bucket][s] = struct{}{}
}

func (e *expiry) drop(s *session) {
	delete(e.buckets[s.bucket], s)
	if len(e.buckets[s.bucket]) == 0 {
		delete(e.buckets, s.bucket)
	}
	s.bucket = 0
}

// next returns when the next session expires, if there is one.
func (e *expiry) next() (time.Time, bool) {
	var first int64
	for bucket := range e.buckets {
		if first == 0 || bucket < first {
			first = bucket
		}
	}
	return e.at(first), first != 0
}

func (e *expiry) at(bucket int64) time.Time { return e.start.Add(time.Duration(bucket) * e.tick) }

// due returns the sessions whose time is over.
func (e *expiry) due() []*session {
	now := int64(time.Since(e.start) / e.tick)
	var due []*session
	for bucket, sessions := range e.buckets {
		if bucket <= now {
			for s := range sessions {
				due = append(due, s)
			}
		}
	}
	return due
}

// serversStarted is the number of servers that this process has started.
var serversStarted atomic.Int64

// firstSessionID returns the id of the first session of a server that starts now. As on
// a real server it consists of a server number and the time. The servers of one process
// have different numbers, so their ids differ even if they start at the same time. The
// first one has the number of a real standalone server.
func firstSessionID(now time.Time) int64 {
	const last = 0x7f // higher bytes mark containers and nodes with a time to live
	server := (serversStarted.Add(1)-1)%last + 1
	return server<<56 | int64(uint64(now.UnixMilli())<<24>>8)
}

// passwordOf returns the password of a session. As in ZooKeeper it is computed from the
// id and a secret of the server.
func (s *Server) passwordOf(id int64) []byte {
	r := rand.New(rand.NewPCG(uint64(id), s.secret))
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, r.Uint64()), r.Uint64())
}

// handshake answers a connect request. A client that has seen a higher zxid than this
// server gets no answer, so that it connects to another one.
func (s *Server) handshake(c *conn, r *wire.ConnectRequest) (more bool) {
	if r.LastZxidSeen > c.zxid() {
		return false
	}
	c.handshakeDone = true
	c.timeout = min(max(time.Duration(r.Timeout)*time.Millisecond, s.opts.min), s.opts.max)
	var ss *session
	if r.SessionID == 0 {
		ss = s.newSession(c.timeout)
	} else if ss = s.sessions[r.SessionID]; ss != nil {
		if old := ss.conn; old != nil && old.isolated == 0 {
			s.cut(old)
		}
		if string(r.Passwd) != string(ss.passwd) {
			ss = nil
		}
	}
	answer := wire.ConnectResponse{Passwd: make([]byte, 16), HasReadOnly: r.HasReadOnly}
	if ss == nil {
		c.send(&answer)
		s.cut(c)
		return true
	}
	ss.conn, c.session, c.id = c, ss, ss.id
	ss.timeout = c.timeout
	s.touch(c)
	answer.Timeout = int32(c.timeout.Milliseconds())
	answer.SessionID, answer.Passwd = ss.id, ss.passwd
	if r.SessionID != 0 {
		c.send(&answer)
	} else {
		c.afterApplied(func() { c.send(&answer) }) // the follower must have applied the session's creation
	}
	return true
}

func (s *Server) newSession(timeout time.Duration) *session {
	s.skipZxid()
	ss := &session{id: s.nextSession, passwd: s.passwordOf(s.nextSession), timeout: timeout}
	s.nextSession++
	s.sessions[ss.id] = ss
	return ss
}

// touch restarts the timeout of the connection's session.
func (s *Server) touch(c *conn) {
	if c.session != nil && c.isolated == 0 && !c.sessionEnded() {
		s.expiry.touch(c.session, c.timeout)
		s.wakeBy(s.expiry.at(c.session.bucket))
	}
}

// endSession ends a session: its ephemeral nodes are deleted, and watches of them fire,
// also those of the session itself if it is still connected.
func (s *Server) endSession(ss *session) {
	t := s.begin(nil)
	t.CloseSession(ss.id)
	s.watches.fire(t.Triggers(), t.Zxid)
	s.replicate(t, func(t *ztree.Txn) { t.CloseSession(ss.id) })
	s.expiry.drop(ss)
	delete(s.sessions, ss.id)
}

// expire ends a session and closes its connection. A connection that is cut off by a
// partition or isolated stays open, because its client cannot be notified.
func (s *Server) expire(ss *session) {
	s.endSession(ss)
	if c := ss.conn; c != nil {
		ss.conn = nil
		if c.silent() || c.isolated > 0 {
			c.watches().drop(c)
			return
		}
		c.afterApplied(func() { s.cut(c) })
	}
}
