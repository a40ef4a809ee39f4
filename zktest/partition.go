package zktest

import "sync"

// A partition cuts off connections: those of one session, of one client, or all.
type partition struct {
	all    bool
	id     int64
	client *Client
	conns  map[*conn]struct{}
}

// Expire expires a session now: its ephemeral nodes are deleted, watches of them fire,
// and its connection is closed. It does nothing if there is no such session.
func (s *Server) Expire(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ss := s.sessions[id]; ss != nil {
		s.expire(ss)
	}
}

// Partition makes the network drop everything on the session's connection, in both
// directions, and on new connections that try to resume the session. All stay open, so
// neither side notices. heal closes the affected connections.
//
// A client whose session expires meanwhile opens a new one, which is not cut off. Use
// [Client.Partition] to cut off a client whatever its session is.
func (s *Server) Partition(id int64) (heal func()) { return s.addPartition(&partition{id: id}) }

// PartitionAll does the same to all connections, also to new ones.
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

// applyPartitions cuts off a connection that belongs to session id, or that asks to
// resume it, if a partition applies to it.
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

// Isolate makes the session's connection behave like one to a server that is cut off
// from its leader. Use it to test two owners: the client is connected while its session
// expires.
//
// Pings and reads are answered. Syncs and writes are neither applied nor answered, and
// neither are later reads, since replies keep their order. No watch event is sent. The
// session is not kept alive, so it expires after its timeout, which the connection does
// not learn. A new connection of the session is not isolated, as if it led to another
// server. heal closes the isolated connections.
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
