package session

import "time"

// Deadline returns the moment until which the servers certainly keep the session,
// by the local clock, and a channel that is closed when that moment has moved.
// Everything that works under an ownership in this epoch must have stopped by
// then. While nothing is held, the deadline is zero. Once the epoch has ended it is
// the moment of its end.
func (e *Epoch) Deadline() (deadline time.Time, changed <-chan struct{}) {
	e.link.mu.Lock()
	defer e.link.mu.Unlock()
	if e.deadlineMoved == nil {
		e.deadlineMoved = make(chan struct{})
	}
	e.shownDeadline = e.ownedUntil()
	return e.shownDeadline, e.deadlineMoved
}

// ownedUntil is the deadline of what is held. link.mu is held.
func (e *Epoch) ownedUntil() time.Time {
	switch {
	case e.finished:
		return e.endedAt
	case e.provers == 0:
		return time.Time{}
	default:
		return e.link.proofs.deadline()
	}
}

// notifyDeadline is called when the deadline may have moved. link.mu is held.
func (e *Epoch) notifyDeadline() {
	if e.deadlineMoved != nil && !e.ownedUntil().Equal(e.shownDeadline) {
		close(e.deadlineMoved)
		e.deadlineMoved = nil
	}
}
