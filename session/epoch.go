package session

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// Epoch is the life of one ZooKeeper session under a Session. Ownership through an
// ephemeral node belongs to one epoch: it is lost when the epoch ends, and the next
// epoch does not restore it.
//
// An epoch ends when a server reports that the ZooKeeper session has expired, when
// the session's own clock has passed the deadline, or at Session.Close. From then on
// the methods of the Epoch fail with ErrExpired or ErrClosed.
type Epoch struct {
	session *Session
	number  uint64
	link    *link
	ctx     context.Context
	cancel  context.CancelCauseFunc
	changed chan struct{} // wakes proveLoop; capacity 1

	receipts receipts

	// under link.mu
	provers       int                   // calls of KeepProving that have not been released
	stopTimes     map[time.Duration]int // how many of provers have which stop time
	proveUntil    time.Time             // until when proofs are sent without provers
	provedAt      time.Time             // when proveLoop sent its last proof
	endedAt       time.Time             // what ownedUntil returns when the epoch has ended
	shownDeadline time.Time             // the deadline that Deadline returned last
	deadlineMoved chan struct{}         // closed when the deadline is another than shownDeadline; nil if no call waits
	abandoned     bool                  // ended locally: the servers may still keep the ZooKeeper session
	finished      bool
}

// Number returns the number of the epoch; the first epoch of a Session has number 1.
func (e *Epoch) Number() uint64 { return e.number }

// ID returns the id of the ZooKeeper session, or 0 before the first connection.
func (e *Epoch) ID() int64 {
	e.link.mu.Lock()
	defer e.link.mu.Unlock()
	return e.link.id
}

// Context is done when the epoch has ended. Its cause wraps ErrExpired or
// ErrClosed.
func (e *Epoch) Context() context.Context { return e.ctx }

// Err returns nil while the epoch lasts, and the cause of Context after that. It
// reads the clock, so that it is right even if the process was suspended and its
// timers are late.
func (e *Epoch) Err() error {
	if e.ctx.Err() == nil {
		e.nextProof(true)
	}
	return context.Cause(e.ctx)
}

// Go runs f in a goroutine that Session.Close waits for. f may outlast the epoch, but
// it must return when the session is being closed, which ends every epoch and every
// wait for one. If the session is already being closed, Go does not run f and returns
// false.
func (e *Epoch) Go(f func()) bool { return e.session.spawn(f) }

// Session returns the session that e belongs to.
func (e *Epoch) Session() *Session { return e.session }

// Suspended returns a channel that is closed when the present connection breaks. If
// there is no connection, the channel is already closed.
func (e *Epoch) Suspended() <-chan struct{} {
	if t, _ := e.link.gate(); t != nil {
		return t.broken
	}
	return closed
}

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// end ends the epoch. Only the first call has an effect. abandon reports that the
// servers may still keep the ZooKeeper session, which closeRetired then closes.
func (e *Epoch) end(cause error, abandon bool) {
	e.link.mu.Lock()
	if e.finished {
		e.link.mu.Unlock()
		return
	}
	if now, deadline := time.Now(), e.ownedUntil(); now.Before(deadline) {
		e.endedAt = now
	} else {
		e.endedAt = deadline
	}
	e.finished, e.abandoned = true, abandon && e.link.id != 0
	e.cancel(cause) // before the deadline moves, so that no waiter takes the deadline for the cause
	e.notifyDeadline()
	e.link.mu.Unlock()
	e.link.close()
}

// KeepProving makes the session send a proof through the leader every quarter of its
// timeout, until release is called. If the proofs are not confirmed in time, the
// epoch ends (see Deadline). Only recipes need it.
//
// Call it before something is owned, and release after ownership has ended. A caller
// that waits to own something calls it too, so that ownership can begin without
// another round trip.
//
// KeepProving takes one round trip if the session has sent no proof lately, and none
// otherwise. While earlier proofs are overdue, it blocks until one is confirmed, ctx
// is done or the epoch has ended.
func (e *Epoch) KeepProving(ctx context.Context) (release func(), err error) {
	for {
		granted, wait, probe := e.tryKeepProving()
		if granted {
			return sync.OnceFunc(e.stopProving), nil
		}
		if probe {
			c := e.proofRequest()
			if _, err := e.exchange(ctx, c); err != nil {
				return nil, err
			}
			if c.err != nil && !c.retryable() && !(c.op == wire.OpMulti && e.link.capabilities.lacks(c.op)) {
				return nil, c.err
			}
			continue
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, e.ended(ctx)
		case <-e.ctx.Done():
			return nil, e.ended(ctx)
		}
	}
}

// tryKeepProving adds a prover if there is a recent proof to start from. If not, it
// returns probe if the caller must send a proof, or otherwise a channel to wait for.
func (e *Epoch) tryKeepProving() (granted bool, wait <-chan struct{}, probe bool) {
	l := e.link
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if e.finished {
		return false, e.ctx.Done(), false
	}
	if !e.needsProofs(now) {
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
	e.provers++
	e.notifyDeadline()
	e.wake()
	return true, nil, false
}

func (e *Epoch) stopProving() {
	e.link.mu.Lock()
	defer e.link.mu.Unlock()
	if e.provers--; e.provers == 0 {
		e.proveUntil = time.Now().Add(4 * e.link.timeout)
	}
	e.notifyDeadline()
	e.wake()
}

// needsProofs reports whether proveLoop sends proofs. The caller must hold link.mu.
func (e *Epoch) needsProofs(now time.Time) bool {
	return e.provers > 0 || e.session.opts.steady || now.Before(e.proveUntil)
}

// wake wakes proveLoop.
func (e *Epoch) wake() {
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

// proofRequest returns the cheapest write. It changes nothing and needs no rights,
// since a refused write passes through the quorum as well. It is a transaction or, if
// the servers refuse transactions, a create below a parent that does not exist.
func (e *Epoch) proofRequest() *call {
	c := e.harmlessRequest(wire.OpMulti)
	c.onReply = func(c *call) {
		if e.link.capabilities.learn(c); e.link.capabilities.lacks(c.op) {
			*c.attempts = attempts{} // the next probe is another request
		}
	}
	if e.link.capabilities.lacks(wire.OpMulti) {
		c = e.harmlessRequest(wire.OpCreate)
	}
	c.attempts = &e.link.probeAttempts
	return c
}

// proveLoop sends the proofs and ends the epoch at the deadline.
func (e *Epoch) proveLoop() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	var outstanding *call
	for {
		var answered <-chan struct{}
		if outstanding != nil {
			answered = outstanding.done
		}
		next, probe := e.nextProof(outstanding != nil)
		if probe {
			c := e.proofRequest()
			if t, _ := e.link.gate(); t != nil && t.sendFirst(c) {
				outstanding = c
			}
			continue
		}
		timer.Reset(next)
		select {
		case <-timer.C:
		case <-answered:
			outstanding = nil
		case <-e.changed:
		case <-e.ctx.Done():
			return
		}
	}
}

// nextProof returns how long proveLoop has to sleep, or that a proof is due. If the
// deadline has passed, it ends the epoch.
func (e *Epoch) nextProof(outstanding bool) (sleep time.Duration, probe bool) {
	l := e.link
	l.mu.Lock()
	now := time.Now()
	next := now.Add(time.Hour)
	deadline, ok := e.deadline()
	if ok && !now.Before(deadline) {
		l.mu.Unlock()
		e.end(fmt.Errorf("%w: given up, since no server has confirmed the session for too long", ErrExpired), true)
		return time.Hour, false
	}
	defer l.mu.Unlock()
	if ok {
		next = deadline
	}
	if l.current != nil && e.needsProofs(now) && !outstanding {
		due, ok := l.proofs.due()
		if !ok || l.proofs.latest.Before(e.provedAt) {
			due = later(due, e.provedAt.Add(l.proofs.interval/4)) // the last answer may have proved nothing
		}
		if !now.Before(due) {
			e.provedAt = now
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

// deadline returns when the epoch ends unless a server answers. Without provers that
// is a session timeout after the last answer. The caller must hold link.mu.
func (e *Epoch) deadline() (time.Time, bool) {
	l := e.link
	switch {
	case l.id == 0:
		return time.Time{}, false
	case e.provers > 0:
		return l.proofs.deadline(), true
	default:
		return l.heardAt.Add(l.timeout), true
	}
}

// connected, suspended and failing log and publish changes of the connection.

func (e *Epoch) connected(server string) {
	e.session.opts.log.Info("zookeeper: connected", "server", server, "session", fmt.Sprintf("0x%x", e.ID()))
	e.session.publish(e, server, nil, false)
	e.wake()
}

func (e *Epoch) suspended(server string, reason error) {
	if e.ctx.Err() == nil {
		e.session.opts.log.Info("zookeeper: connection lost", "server", server, "session", fmt.Sprintf("0x%x", e.ID()), "err", reason)
	}
	e.session.publish(e, server, reason, false)
	e.wake()
}

func (e *Epoch) failing(server string, reason error, hopeless bool) {
	e.session.publish(e, server, reason, hopeless)
}

// ended returns the error of an operation that cannot continue because the epoch has
// ended or ctx is done.
func (e *Epoch) ended(ctx context.Context) error {
	if e.ctx.Err() != nil {
		return context.Cause(e.ctx)
	}
	return e.session.interrupted(ctx)
}

// exchange sends calls together as soon as there is a connection, and waits until all
// are done. It returns an error if ctx is done or the epoch has ended first; if sent
// is true then, the calls may still be answered.
func (e *Epoch) exchange(ctx context.Context, calls ...*call) (sent bool, err error) {
	for !sent {
		if ctx.Err() != nil || e.ctx.Err() != nil {
			return false, e.ended(ctx)
		}
		t, attached := e.link.gate()
		if t != nil {
			if sent = t.send(calls...); !sent {
				runtime.Gosched() // it has just broken; detach will remove it
			}
			continue
		}
		select {
		case <-attached:
		case <-ctx.Done():
		case <-e.ctx.Done():
		}
	}
	for _, c := range calls {
		select {
		case <-c.done:
		case <-ctx.Done():
			return true, e.ended(ctx)
		case <-e.ctx.Done():
			return true, e.ended(ctx)
		}
	}
	return true, nil
}
