package zktest

import (
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/channel"
	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

// Pause suspends the server, as SIGSTOP suspends a process: connections stay open and
// new ones are accepted, but nothing is answered. After resume, sessions whose timeout
// has passed expire before any request is read that came in during the pause.
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
		channel.Wake(s.clockWake)
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
		case <-s.ctx.Done():
			return
		}
	}
}

// JumpClock moves the server's clock by d. If d is positive, sessions, containers and
// nodes with a time to live come that much closer to their end, as if the server had
// been suspended. If d is negative, only the times in the Stat of new nodes change:
// servers measure durations with a monotonic clock.
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
	channel.Wake(s.clockWake)
}

// JumpZxid makes zxid the last zxid that was used, as if there had been that many
// transactions, or an election: the upper half counts elections. It does nothing if the
// server's last zxid is higher.
func (s *Server) JumpZxid(zxid int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zxid = max(s.zxid, zxid)
	s.replicate(&ztree.Txn{Zxid: s.zxid}, nil)
}

// RestartEmpty stops the server and starts it without its data: no nodes, no sessions,
// and zxids from the beginning, as if somebody had deleted its files. Clients that have
// seen a higher zxid are refused.
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
