package zktest

import (
	"cmp"
	"slices"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/channel"
	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

// clock expires sessions and deletes containers and nodes whose time to live is over. It
// sleeps until the next of these is due, so a server without requests in a synctest bubble costs
// nothing.
func (s *Server) clock() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		s.mu.Lock()
		s.runDue()
		s.nextWake = s.nextDue()
		wait, idle := time.Until(s.nextWake), s.nextWake.IsZero()
		s.mu.Unlock()
		timer.Reset(wait)
		due := timer.C
		if idle {
			due = nil
		}
		select {
		case <-due:
		case <-s.clockWake:
		case <-s.ctx.Done():
			return
		}
	}
}

// wakeBy makes the clock wake up at t or earlier.
func (s *Server) wakeBy(t time.Time) {
	if s.nextWake.IsZero() || t.Before(s.nextWake) {
		channel.Wake(s.clockWake)
	}
}

// nextDue returns when the clock has to wake up; zero for never.
func (s *Server) nextDue() time.Time {
	if s.stopped || s.paused != nil {
		return time.Time{}
	}
	next, ok := s.expiry.next()
	if !ok {
		next = time.Time{}
	}
	if !s.reapAt.IsZero() && (next.IsZero() || s.reapAt.Before(next)) {
		next = s.reapAt
	}
	return next
}

// scheduleReap sets when to check for expired containers next: at a multiple of the
// interval since the server's start, or never if there is nothing to check.
func (s *Server) scheduleReap() {
	s.reapAt = time.Time{}
	if s.tree.HasExpirable() {
		interval := s.opts.container
		s.reapAt = s.startTime.Add((time.Since(s.startTime)/interval + 1) * interval)
	}
}

// runDue expires the sessions and deletes the nodes that are due.
func (s *Server) runDue() {
	if s.stopped || s.paused != nil {
		return
	}
	due := s.expiry.due()
	slices.SortFunc(due, func(a, b *session) int {
		return cmp.Or(cmp.Compare(a.bucket, b.bucket), cmp.Compare(a.id, b.id))
	})
	for _, ss := range due {
		s.expire(ss)
	}
	if !s.reapAt.IsZero() && !s.reapAt.After(time.Now()) {
		s.reap()
		s.scheduleReap()
	}
}

// reap deletes the containers and the nodes with a time to live that have expired.
func (s *Server) reap() {
	for _, path := range s.tree.Expired(s.now()) {
		t := s.begin(nil)
		if t.DeleteContainer(path) == wire.OK {
			s.watches.fire(t.Triggers(), t.Zxid)
			s.replicate(t, func(t *ztree.Txn) { t.DeleteContainer(path) })
		} else {
			s.replicate(t, nil)
		}
	}
}
