package session

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// Err returns nil while the ZooKeeper session lasts, and the cause of Context after that.
// It reads the clock, so that it is right even if the process was suspended and its timers
// are late.
func (l *link) Err() error {
	if l.ctx.Err() == nil {
		l.nextProof(true)
	}
	return context.Cause(l.ctx)
}

// KeepProving makes the link send a proof through the leader every quarter of the session
// timeout, until release is called. If the proofs are not confirmed in time, the link
// ends; see Deadline.
//
// KeepProving takes one round trip if no proof has been sent lately, and none otherwise.
// While earlier proofs are overdue, it blocks until one is confirmed, ctx is done or the
// ZooKeeper session has ended.
func (l *link) KeepProving(ctx context.Context) (release func(), err error) {
	for {
		granted, wait, probe := l.tryKeepProving()
		if granted {
			return sync.OnceFunc(l.stopProving), nil
		}
		if probe {
			c := l.proofRequest()
			if _, err := l.Exchange(ctx, c); err != nil {
				return nil, err
			}
			if c.err != nil && !c.retryable() && !(c.op == wire.OpMulti && l.capabilities.lacks(c.op)) {
				return nil, c.err
			}
			continue
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, l.Ended(ctx)
		case <-l.ctx.Done():
			return nil, l.Ended(ctx)
		}
	}
}

// tryKeepProving adds a prover if there is a recent proof to start from. If not, it
// returns probe if the caller must send a proof, or otherwise a channel to wait for.
func (l *link) tryKeepProving() (granted bool, wait <-chan struct{}, probe bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.finished {
		return false, l.ctx.Done(), false
	}
	if !l.needsProofs(now) {
		sent, ok := l.proofs.last()
		if !ok || now.Sub(sent) > l.timeout/8 {
			return false, nil, true
		}
		l.proofs.begin(sent)
	} else if !l.proofs.deadline().After(now) {
		// Proofs are overdue: the ZooKeeper session may have expired.
		if l.proofArrived == nil {
			l.proofArrived = make(chan struct{})
		}
		return false, l.proofArrived, false
	}
	l.provers++
	l.notifyDeadline()
	l.wake()
	return true, nil, false
}

func (l *link) stopProving() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.provers--; l.provers == 0 {
		l.proveUntil = time.Now().Add(4 * l.timeout)
	}
	l.notifyDeadline()
	l.wake()
}

// needsProofs reports whether proveLoop sends proofs. The caller must hold l.mu.
func (l *link) needsProofs(now time.Time) bool {
	return l.provers > 0 || l.cfg.Steady || now.Before(l.proveUntil)
}

// wake wakes proveLoop.
func (l *link) wake() {
	select {
	case l.wakeup <- struct{}{}:
	default:
	}
}

// proofRequest returns the cheapest write. It changes nothing and needs no rights,
// since a refused write passes through the quorum as well. It is a transaction or, if
// the servers refuse transactions, a create below a parent that does not exist.
func (l *link) proofRequest() *call {
	c := l.harmlessRequest(wire.OpMulti)
	c.onReply = func(c *call) {
		if l.capabilities.learn(c); l.capabilities.lacks(c.op) {
			*c.attempts = attempts{} // the next probe is another request
		}
	}
	if l.capabilities.lacks(wire.OpMulti) {
		c = l.harmlessRequest(wire.OpCreate)
	}
	c.attempts = &l.probeAttempts
	return c
}

// proveLoop sends the proofs and ends the link at the deadline.
func (l *link) proveLoop() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var outstanding *call
	for {
		var answered <-chan struct{}
		if outstanding != nil {
			answered = outstanding.done
		}
		next, probe := l.nextProof(outstanding != nil)
		if probe {
			c := l.proofRequest()
			if t, _ := l.gate(); t != nil && t.sendFirst(c) {
				outstanding = c
			}
			continue
		}
		timer.Reset(next)
		select {
		case <-timer.C:
		case <-answered:
			outstanding = nil
		case <-l.wakeup:
		case <-l.ctx.Done():
			return
		}
	}
}

// nextProof returns how long proveLoop has to sleep, or that a proof is due. If the
// deadline has passed, it ends the link.
func (l *link) nextProof(outstanding bool) (sleep time.Duration, probe bool) {
	l.mu.Lock()
	now := time.Now()
	next := now.Add(time.Hour)
	deadline, ok := l.deadline()
	if ok && !now.Before(deadline) {
		l.mu.Unlock()
		l.End(fmt.Errorf("%w: given up, since no server has confirmed it for too long", ErrExpired), true)
		return time.Hour, false
	}
	defer l.mu.Unlock()
	if ok {
		next = deadline
	}
	if l.current != nil && l.needsProofs(now) && !outstanding {
		due, ok := l.proofs.due()
		if !ok || l.proofs.latest.Before(l.provedAt) {
			due = later(due, l.provedAt.Add(l.proofs.interval/4)) // the last answer may have proved nothing
		}
		if !now.Before(due) {
			l.provedAt = now
			return 0, true
		}
		if due.Before(next) {
			next = due
		}
	}
	return next.Sub(now), false
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// deadline returns when the link ends unless a server answers. Without provers that
// is a session timeout after the last answer. The caller must hold l.mu.
func (l *link) deadline() (time.Time, bool) {
	switch {
	case l.id == 0:
		return time.Time{}, false
	case l.provers > 0:
		return l.proofs.deadline(), true
	default:
		return l.heardAt.Add(l.timeout), true
	}
}

// Deadline returns the moment, by the local clock, until which the servers certainly keep
// the ZooKeeper session, and a channel that is closed when that moment has moved. While
// no call of KeepProving is in effect, the deadline is zero. When the ZooKeeper session
// has ended, it is the moment of the end.
func (l *link) Deadline() (deadline time.Time, changed <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.deadlineMoved == nil {
		l.deadlineMoved = make(chan struct{})
	}
	l.shownDeadline = l.ownedUntil()
	return l.shownDeadline, l.deadlineMoved
}

// ownedUntil returns the result of Deadline. The caller must hold l.mu.
func (l *link) ownedUntil() time.Time {
	switch {
	case l.finished:
		return l.endedAt
	case l.provers == 0:
		return time.Time{}
	default:
		return l.proofs.deadline()
	}
}

// notifyDeadline wakes the waiters of Deadline if the deadline has moved. The caller must
// hold l.mu.
func (l *link) notifyDeadline() {
	if l.deadlineMoved != nil && !l.ownedUntil().Equal(l.shownDeadline) {
		close(l.deadlineMoved)
		l.deadlineMoved = nil
	}
}
