package lease

import (
	"context"
	"errors"
	"time"
)

var (
	errSuspended = errors.New("connection suspended")
	errDeadline  = errors.New("no server has confirmed the session for too long")
)

// loseWhenSuspended ends the lease when the connection breaks. The ZooKeeper session
// may continue, so the node has to be deleted.
func (l *Lease) loseWhenSuspended(suspended <-chan struct{}) {
	select {
	case <-suspended:
		l.abandon(errSuspended)
	case <-l.ctx.Done():
	}
}

// loseBeforeDeadline ends the lease its stop time before the deadline.
func (l *Lease) loseBeforeDeadline() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		_, changed := l.acquired.Epoch.Deadline()
		timer.Reset(l.left())
		select {
		case <-changed:
		case <-timer.C:
			l.Err()
		case <-l.ctx.Done():
			return
		}
	}
}

// left returns how long the lease lasts unless the deadline changes.
func (l *Lease) left() time.Duration {
	deadline, _ := l.acquired.Epoch.Deadline()
	return time.Until(deadline) - l.behavior.StopTime
}

// Abandon ends the lease with a loss. Its nodes stay for the stop time, if there is
// one, or until Release.
func (l *Lease) Abandon(reason error) { l.abandon(reason) }

// abandon ends ownership while the nodes exist. They stay for the stop time, even if
// the connection recovers, so that no other client owns while the holder stops.
func (l *Lease) abandon(reason error) {
	if !l.endBy(l.lostErr(reason), l.behavior.StopTime) {
		return
	}
	if l.behavior.StopTime == 0 {
		l.deleteNodes()
		return
	}
	e := l.acquired.Epoch
	started := e.Go(func() {
		timer := time.NewTimer(time.Until(l.endedAt))
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-l.cutStay:
		case <-e.Context().Done():
		}
		l.deleteNodes()
	})
	if !started {
		close(l.gone) // closing the session deletes the nodes
	}
}

// deleteEarly deletes the nodes of a lost lease before the stop time has passed, and
// waits for the deletion.
func (l *Lease) deleteEarly(ctx context.Context) {
	l.cutStayOnce.Do(func() { close(l.cutStay) })
	l.mu.Lock()
	stopping := l.stopping
	l.mu.Unlock()
	if !stopping {
		return
	}
	select {
	case <-l.gone:
	case <-ctx.Done():
	}
}

// Gone is closed when the lease has ended and its nodes are deleted, or their
// deletion was refused.
func (l *Lease) Gone() <-chan struct{} { return l.gone }
