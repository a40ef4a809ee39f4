package session

import "time"

// Deadline returns the moment, by the local clock, until which the servers certainly keep
// the ZooKeeper session, and a channel that is closed when that moment has moved. All
// work under an ownership in this epoch must have stopped by then.
//
// While no call of KeepProving is in effect, the deadline is zero. When the epoch has
// ended, it is the moment of the end.
func (e *Epoch) Deadline() (deadline time.Time, changed <-chan struct{}) {
	e.link.mu.Lock()
	defer e.link.mu.Unlock()
	if e.deadlineMoved == nil {
		e.deadlineMoved = make(chan struct{})
	}
	e.shownDeadline = e.ownedUntil()
	return e.shownDeadline, e.deadlineMoved
}

// ownedUntil returns the result of Deadline. The caller must hold link.mu.
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

// notifyDeadline wakes the waiters of Deadline if the deadline has moved. The caller must
// hold link.mu.
func (e *Epoch) notifyDeadline() {
	if e.deadlineMoved != nil && !e.ownedUntil().Equal(e.shownDeadline) {
		close(e.deadlineMoved)
		e.deadlineMoved = nil
	}
}
