package session

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// Epoch is the life of one ZooKeeper session under a Session. Whatever is owned
// through an ephemeral node is owned within one epoch: when it ends, locally or
// by the word of a server, ownership has ended with it and never comes back.
// Operations of an Epoch fail with ErrExpired (or ErrClosed) once it has ended.
type Epoch struct {
	session *Session
	number  uint64
	link    *link
	ctx     context.Context
	cancel  context.CancelCauseFunc
	changed chan struct{} // wakes keep; capacity 1

	receipts receipts

	// under link.mu
	provers       int
	stopTimes     map[time.Duration]int // the holds with a stop time
	proveUntil    time.Time             // until when to go on proving without a hold
	provedAt      time.Time             // when keep last sent a proof
	endedAt       time.Time             // what held returns once the epoch has ended
	shownDeadline time.Time             // the deadline that Deadline has returned last
	deadlineMoved chan struct{}         // closed when it is not that any more; nil if nobody waits
	abandoned     bool                  // ended locally: a server may still hold the session
	finished      bool
}

// Number rises with every epoch of the Session; 1 is the first.
func (e *Epoch) Number() uint64 { return e.number }

// ID is ZooKeeper's id of the session, 0 before the first connection.
func (e *Epoch) ID() int64 {
	e.link.mu.Lock()
	defer e.link.mu.Unlock()
	return e.link.id
}

// Context is done when the epoch has ended. Its cause wraps ErrExpired or
// ErrClosed.
func (e *Epoch) Context() context.Context { return e.ctx }

// Err is nil while the epoch lasts, and then the cause of its end. It looks at
// the clock, so that it tells the truth even to a process that was stopped and
// whose timers are late.
func (e *Epoch) Err() error {
	if e.ctx.Err() == nil {
		e.nextProof(true)
	}
	return context.Cause(e.ctx)
}

// Go runs f in a goroutine that closing the session waits for. f may outlast the
// epoch, but must return once the session is being closed, which ends every epoch
// and every wait for one. When it is being closed already, f is not run.
func (e *Epoch) Go(f func()) bool { return e.session.spawn(f) }

// Session is the session of which e is an epoch.
func (e *Epoch) Session() *Session { return e.session }

// Suspended returns a channel that is closed when the connection in use now, or
// the next one, breaks. While there is none it is closed already.
func (e *Epoch) Suspended() <-chan struct{} {
	if t, _ := e.link.gate(); t != nil {
		return t.broken
	}
	return closed
}

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// end ends the epoch, once. A session that was given up locally may still live
// on a server, which is then told.
func (e *Epoch) end(cause error, abandon bool) {
	e.link.mu.Lock()
	if e.finished {
		e.link.mu.Unlock()
		return
	}
	if now, held := time.Now(), e.ownedUntil(); now.Before(held) {
		e.endedAt = now
	} else {
		e.endedAt = held
	}
	e.finished, e.abandoned = true, abandon && e.link.id != 0
	e.cancel(cause) // before the deadline moves, so that nobody takes that for the cause
	e.notifyDeadline()
	e.link.mu.Unlock()
	e.link.close()
}

// KeepProving has the session prove to the leader that it is alive, every quarter of
// its timeout, until release is called; the epoch ends when that has failed for
// too long (see Status.Deadline). Whoever owns something holds; whoever waits to
// own holds too, so that ownership can begin without a round trip. KeepProving itself
// waits only if the session has no valid proof.
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

// tryKeepProving grants a hold if there is a proof to start from. If not, it says
// whether to send one, or to wait for those that keep sends.
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
		// Proofs were asked for and did not come, so nothing may be presumed.
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

// needsProofs tells whether keep sends proofs. link.mu is held.
func (e *Epoch) needsProofs(now time.Time) bool {
	return e.provers > 0 || e.session.opts.steady || now.Before(e.proveUntil)
}

func (e *Epoch) wake() {
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

// proofRequest is the cheapest write: it changes nothing and needs no rights, for a refusal
// has passed through the quorum as well. It is a transaction or, where the servers
// refuse those, the create of a node that cannot be created.
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

// nextProof says how long to sleep, or that it is time for a probe. At the deadline
// it ends the epoch.
func (e *Epoch) nextProof(outstanding bool) (sleep time.Duration, probe bool) {
	l := e.link
	l.mu.Lock()
	now := time.Now()
	next := now.Add(time.Hour)
	deadline, ok := e.deadline()
	if ok && !now.Before(deadline) {
		l.mu.Unlock()
		e.end(fmt.Errorf("%w: given up, since no server has confirmed it for too long", ErrExpired), true)
		return time.Hour, false
	}
	defer l.mu.Unlock()
	if ok {
		next = deadline
	}
	if l.current != nil && e.needsProofs(now) && !outstanding {
		due, ok := l.proofs.due()
		if !ok || l.proofs.latest.Before(e.provedAt) {
			due = later(due, e.provedAt.Add(l.proofs.interval/4)) // an answer may be one that proves nothing
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

// deadline is when the epoch ends unless something is heard. Without a hold,
// that is when the server has been silent for the whole timeout. link.mu is
// held.
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

// connected, suspended and failing tell the world what happens to the link.

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

// ended is the error of an operation that cannot go on: the epoch is over, or
// the caller's context is.
func (e *Epoch) ended(ctx context.Context) error {
	if e.ctx.Err() != nil {
		return context.Cause(e.ctx)
	}
	return e.session.interrupted(ctx)
}

// exchange sends calls in one flight, as soon as there is a connection, and
// waits until each is done. An error says that ctx or the epoch ended first; if
// sent is true then, the calls may still be answered.
func (e *Epoch) exchange(ctx context.Context, calls ...*call) (sent bool, err error) {
	for !sent {
		if ctx.Err() != nil || e.ctx.Err() != nil {
			return false, e.ended(ctx)
		}
		t, attached := e.link.gate()
		if t != nil {
			if sent = t.send(calls...); !sent {
				runtime.Gosched() // it broke just now, and is about to leave the gate
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
