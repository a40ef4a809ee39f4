package zktest

import (
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

// A session is what a client keeps over its connections.
type session struct {
	id      int64
	passwd  []byte
	timeout time.Duration
	conn    *conn // nil while the client is away
	bucket  int64 // the tick at which it expires
}

// The expiry queue is the server's: a session touched at t with timeout d
// expires at the first tick after t+d, never at it. Buckets hold the sessions
// of one tick, so that a touch costs the same however many there are.
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

// next is when the earliest session expires, if there is one.
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

// due lists the sessions that have expired.
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

// serversStarted counts the servers of this process.
var serversStarted atomic.Int64

// firstSessionID numbers sessions as a server does that starts now: its own
// number, the time, and from there on. Servers of one process that start at the
// same time have different numbers; the first one's is that of a real server
// which stands alone.
func firstSessionID(now time.Time) int64 {
	const last = 0x7f // what is above could be taken for the marks of containers and of times to live
	server := (serversStarted.Add(1)-1)%last + 1
	return server<<56 | int64(uint64(now.UnixMilli())<<24>>8)
}

// passwordOf is what proves that a session is one's own. It follows from the id
// and the server's secret, as it does in ZooKeeper.
func (s *Server) passwordOf(id int64) []byte {
	r := rand.New(rand.NewPCG(uint64(id), s.secret))
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, r.Uint64()), r.Uint64())
}

// handshake answers a handshake. The zxid of a client that has seen more than
// this server ever did makes it go elsewhere: it gets no answer.
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
		c.afterApplied(func() { c.send(&answer) }) // the session begins when the server has applied that it does
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

// touch counts a request as a sign of life.
func (s *Server) touch(c *conn) {
	if c.session != nil && c.isolated == 0 && !c.sessionEnded() {
		s.expiry.touch(c.session, c.timeout)
		s.wakeBy(s.expiry.at(c.session.bucket))
	}
}

// endSession is the end of a session by whatever cause: its nodes go, and those who
// watch them hear of it, itself included if it is still there to hear.
func (s *Server) endSession(ss *session) {
	t := s.begin(nil)
	t.CloseSession(ss.id)
	s.watches.fire(t.Triggers(), t.Zxid)
	s.replicate(t, func(t *ztree.Txn) { t.CloseSession(ss.id) })
	s.expiry.drop(ss)
	delete(s.sessions, ss.id)
}

// expire ends a session and its connection. A connection that is swallowed by
// a partition, or leads to a server that does not know, does not learn of it.
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
