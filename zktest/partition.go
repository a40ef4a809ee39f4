package zktest

import "sync"

// A partition swallows connections: of one session, of one client, or all.
type partition struct {
	all    bool
	id     int64
	client *Client
	conns  map[*conn]struct{}
}

// Expire ends a session now, as if its time had passed: its ephemeral nodes go,
// those who watch them hear of it, and its connection is closed.
func (s *Server) Expire(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ss := s.sessions[id]; ss != nil {
		s.expire(ss)
	}
}

// Partition makes the network swallow what the session's connection carries,
// in both directions, and that of new connections which try to resume the
// session. The connection stays open, so that neither side notices. After heal
// the swallowed connections are cut. It is the session that is cut off: a client
// that learns of its end comes back with a new session, which is not.
// [Client.Partition] cuts off a client whatever its session.
func (s *Server) Partition(id int64) (heal func()) { return s.addPartition(&partition{id: id}) }

// PartitionAll does the same to all connections there are and to all new ones.
func (s *Server) PartitionAll() (heal func()) { return s.addPartition(&partition{all: true}) }

func (s *Server) addPartition(p *partition) (heal func()) {
	p.conns = make(map[*conn]struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.partitions[p] = struct{}{}
	for c := range s.conns {
		if !c.detached {
			s.applyPartitions(c, c.id)
		}
	}
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.partitions, p)
		for c := range p.conns {
			if c.partitions--; c.partitions == 0 {
				s.detach(c)
				c.closeNow()
			}
		}
	})
}

// applyPartitions puts a connection that belongs to a session, or asks for it, under
// the partitions that are in force.
func (s *Server) applyPartitions(c *conn, id int64) {
	for p := range s.partitions {
		hit := p.all || id != 0 && id == p.id || c.client != nil && c.client == p.client
		if _, ok := p.conns[c]; ok || !hit {
			continue
		}
		p.conns[c] = struct{}{}
		c.partitions++
		c.outMu.Lock()
		c.out.Buf = c.out.Buf[:0]
		c.outMu.Unlock()
	}
}

// Isolate does to the session what a server does that is cut off from its
// leader: the connection goes on getting answers to pings and reads. No sync
// and no write is answered or applied, and no read that comes after one, for
// answers keep their order. No watch event is sent. The session gives no sign of
// life to the rest of the world and expires in its time, of which the
// connection does not learn. A new connection of the session reaches another
// server, so to speak, and is not isolated. After heal the isolated connection
// is cut.
func (s *Server) Isolate(id int64) (heal func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var isolated []*conn
	for c := range s.conns {
		if c.id == id && !c.detached && id != 0 {
			c.isolated++
			isolated = append(isolated, c)
		}
	}
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, c := range isolated {
			if c.isolated--; c.isolated == 0 {
				s.detach(c)
				c.closeNow()
			}
		}
	})
}
