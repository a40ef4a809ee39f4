package zktest

import (
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

// Pause stops the server as it stands, as SIGSTOP does to a process:
// connections stay and new ones are accepted, but nothing is answered. After
// resume, the sessions whose time is over expire before anything that has come
// in meanwhile is read.
func (s *Server) Pause() (resume func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.paused != nil {
		return func() {}
	}
	gate := make(chan struct{})
	s.paused = gate
	s.isPaused.Store(true)
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.paused = nil
		s.isPaused.Store(false)
		s.runDue()
		s.wakeClock()
		close(gate)
	})
}

func (s *Server) waitWhilePaused() {
	for s.isPaused.Load() {
		s.mu.Lock()
		gate := s.paused
		s.mu.Unlock()
		if gate == nil {
			return
		}
		select {
		case <-gate:
		case <-s.closed:
			return
		}
	}
}

// JumpClock moves the server's clock. Forward, sessions, containers and times
// to live are so much closer to their end, as if the server had been suspended.
// Backward, it is only nodes that are dated earlier, for servers measure how
// long something takes by a clock that does not go back.
func (s *Server) JumpClock(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clockOffset += d
	if d <= 0 {
		return
	}
	s.expiry.start = s.expiry.start.Add(-d)
	s.startTime = s.startTime.Add(-d)
	if !s.reapAt.IsZero() {
		s.reapAt = s.reapAt.Add(-d)
	}
	s.runDue()
	s.wakeClock()
}

// JumpZxid makes zxid the last transaction id that was used, as if there had
// been so many transactions, or an election: the upper half counts these. It
// does nothing if the server is further already.
func (s *Server) JumpZxid(zxid int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zxid = max(s.zxid, zxid)
	s.replicate(&ztree.Txn{Zxid: s.zxid}, nil)
}

// RestartEmpty stops the server and starts it again without its data: no nodes,
// no sessions, and transactions counted from the beginning, as when somebody has
// deleted them. Clients that have seen more than that are turned away.
func (s *Server) RestartEmpty() error {
	s.mu.Lock()
	s.stop()
	s.tree = ztree.New()
	s.sessions = make(map[int64]*session)
	s.expiry.buckets = make(map[int64]map[*session]struct{})
	s.zxid = 0
	for _, f := range s.followers {
		f.reset()
	}
	s.mu.Unlock()
	return s.Restart()
}
