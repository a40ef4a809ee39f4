package conn

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/channel"
	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// Err returns nil while the ZooKeeper session lasts, and the cause of Context after that.
// It reads the clock, so that it is right even if the process was suspended and its timers
// are late.
func (cc *Conn) Err() error {
	if cc.ctx.Err() == nil {
		cc.nextProof(true)
	}
	return context.Cause(cc.ctx)
}

// KeepProving makes the Conn send a proof through the leader every quarter of the session
// timeout, until release is called. If the proofs are not confirmed in time, the Conn
// ends; see Deadline.
//
// KeepProving takes one round trip if no proof has been sent lately, and none otherwise.
// While earlier proofs are overdue, it blocks until one is confirmed, ctx is done or the
// ZooKeeper session has ended.
func (cc *Conn) KeepProving(ctx context.Context) (release func(), err error) {
	for {
		granted, wait, probe := cc.tryKeepProving()
		if granted {
			return sync.OnceFunc(cc.stopProving), nil
		}
		if probe {
			c := cc.proofRequest()
			if _, err := cc.Exchange(ctx, c); err != nil {
				return nil, err
			}
			if c.Err != nil && !c.Retryable() && !(c.Op == wire.OpMulti && cc.capabilities.lacks(c.Op)) {
				return nil, c.Err
			}
			continue
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, cc.Ended(ctx)
		case <-cc.ctx.Done():
			return nil, cc.Ended(ctx)
		}
	}
}

// tryKeepProving adds a prover if there is a recent proof to start from. If not, it
// returns probe if the caller must send a proof, or otherwise a channel to wait for.
func (cc *Conn) tryKeepProving() (granted bool, wait <-chan struct{}, probe bool) {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	now := time.Now()
	if cc.finished {
		return false, cc.ctx.Done(), false
	}
	if !cc.needsProofs(now) {
		sent, ok := cc.proofs.last()
		if !ok || now.Sub(sent) > cc.timeout/8 {
			return false, nil, true
		}
		cc.proofs.begin(sent)
	} else if !cc.proofs.deadline().After(now) {
		// Proofs are overdue: the ZooKeeper session may have expired.
		if cc.proofArrived == nil {
			cc.proofArrived = make(chan struct{})
		}
		return false, cc.proofArrived, false
	}
	cc.provers++
	cc.notifyDeadline()
	channel.Wake(cc.wakeup)
	return true, nil, false
}

func (cc *Conn) stopProving() {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	if cc.provers--; cc.provers == 0 {
		cc.proveUntil = time.Now().Add(4 * cc.timeout)
	}
	cc.notifyDeadline()
	channel.Wake(cc.wakeup)
}

// needsProofs reports whether proveLoop sends proofs. The caller must hold cc.mu.
func (cc *Conn) needsProofs(now time.Time) bool {
	return cc.provers > 0 || cc.cfg.Steady || now.Before(cc.proveUntil)
}

// proofRequest returns the cheapest write. It changes nothing and needs no rights,
// since a refused write passes through the quorum as well. It is a transaction or, if
// the servers refuse transactions, a create below a parent that does not exist.
func (cc *Conn) proofRequest() *Call {
	c := cc.harmlessRequest(wire.OpMulti)
	c.onReply = func(c *Call) {
		if cc.capabilities.learn(c); cc.capabilities.lacks(c.Op) {
			*c.Tries = Tries{} // the next probe is another request
		}
	}
	if cc.capabilities.lacks(wire.OpMulti) {
		c = cc.harmlessRequest(wire.OpCreate)
	}
	c.Tries = &cc.probeTries
	return c
}

// proveLoop sends the proofs and ends the Conn at the deadline.
func (cc *Conn) proveLoop() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var outstanding *Call
	for {
		var answered <-chan struct{}
		if outstanding != nil {
			answered = outstanding.done
		}
		next, probe := cc.nextProof(outstanding != nil)
		if probe {
			c := cc.proofRequest()
			if t, _ := cc.gate(); t != nil && t.sendFirst(c) {
				outstanding = c
			}
			continue
		}
		timer.Reset(next)
		select {
		case <-timer.C:
		case <-answered:
			outstanding = nil
		case <-cc.wakeup:
		case <-cc.ctx.Done():
			return
		}
	}
}

// nextProof returns how long proveLoop has to sleep, or that a proof is due. If the
// deadline has passed, it ends the Conn.
func (cc *Conn) nextProof(outstanding bool) (sleep time.Duration, probe bool) {
	cc.mu.Lock()
	now := time.Now()
	next := now.Add(time.Hour)
	deadline, ok := cc.deadline()
	if ok && !now.Before(deadline) {
		cc.mu.Unlock()
		cc.End(fmt.Errorf("%w: given up, since no server has confirmed the session for too long", ErrExpired), true)
		return time.Hour, false
	}
	defer cc.mu.Unlock()
	if ok {
		next = deadline
	}
	if cc.current != nil && cc.needsProofs(now) && !outstanding {
		due, ok := cc.proofs.due()
		if !ok || cc.proofs.latest.Before(cc.provedAt) {
			due = later(due, cc.provedAt.Add(cc.proofs.interval/4)) // the last answer may have proved nothing
		}
		if !now.Before(due) {
			cc.provedAt = now
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

// deadline returns when the Conn ends unless a server answers. Without provers that
// is a session timeout after the last answer. The caller must hold cc.mu.
func (cc *Conn) deadline() (time.Time, bool) {
	switch {
	case cc.id == 0:
		return time.Time{}, false
	case cc.provers > 0:
		return cc.proofs.deadline(), true
	default:
		return cc.repliedAt.Add(cc.timeout), true
	}
}

// Deadline returns the moment, by the local clock, until which the servers certainly keep
// the ZooKeeper session, and a channel that is closed when that moment has moved. While
// no call of KeepProving is in effect, the deadline is zero. After the end of the ZooKeeper
// session it is the moment at which ownership ended: the end of the session, or the
// deadline if that had passed before. It is zero if no call of KeepProving was in effect
// then.
func (cc *Conn) Deadline() (deadline time.Time, changed <-chan struct{}) {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	if cc.deadlineMoved == nil {
		cc.deadlineMoved = make(chan struct{})
	}
	cc.shownDeadline = cc.ownedUntil()
	return cc.shownDeadline, cc.deadlineMoved
}

// ownedUntil returns the result of Deadline. The caller must hold cc.mu.
func (cc *Conn) ownedUntil() time.Time {
	switch {
	case cc.finished:
		return cc.endedAt
	case cc.provers == 0:
		return time.Time{}
	default:
		return cc.proofs.deadline()
	}
}

// notifyDeadline wakes the waiters of Deadline if the deadline has moved. The caller must
// hold cc.mu.
func (cc *Conn) notifyDeadline() {
	if cc.deadlineMoved != nil && !cc.ownedUntil().Equal(cc.shownDeadline) {
		close(cc.deadlineMoved)
		cc.deadlineMoved = nil
	}
}
