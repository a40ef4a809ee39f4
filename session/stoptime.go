package session

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A lease with a stop time ends that long before the deadline. So that it still survives
// an outage, the session sends proofs more often. With proofs every interval, the
// deadline is at least 0.65 of the timeout minus the interval in the future; see proofs
// and docs/guarantees.md. The stop time plus the outage must not exceed that.

// proofIntervals are the divisors of the timeout that give the interval between two
// proofs. The first is the default.
var proofIntervals = [...]time.Duration{4, 8, 16}

// maxStopTime returns the longest stop time with proofs every interval. It reserves 0.005
// of the timeout for a round trip.
func maxStopTime(timeout, interval, outage time.Duration) time.Duration {
	return max(0, timeout*129/200-interval-outage)
}

// proofInterval returns the interval between proofs that a stop time needs.
func proofInterval(timeout, stop, outage time.Duration) time.Duration {
	for _, part := range proofIntervals {
		if stop <= maxStopTime(timeout, timeout/part, outage) {
			return timeout / part
		}
	}
	return timeout / proofIntervals[len(proofIntervals)-1]
}

// outageOf returns the longest outage that a lease with a stop time survives.
func (o *options) outageOf(timeout time.Duration) time.Duration {
	if o.outage > 0 {
		return o.outage
	}
	return timeout / 4
}

// WithSurvivedOutage sets the longest outage that a holder with a stop time must survive
// without losing what it owns. The default is a quarter of the granted session timeout.
//
// A shorter outage allows a longer stop time (see Session.MaxStopTime); ownership is then
// lost in outages that last longer until the client is connected again. The option has
// no effect on holders without a stop time.
func WithSurvivedOutage(d time.Duration) Option {
	return func(o *options) {
		if d <= 0 {
			o.refuse("survived outage %v", d)
		}
		o.outage = d
	}
}

// WithSteadyProofs makes the session send proofs also while it is idle, as often as
// holders with a stop time of up to d need. Without it, the first acquisition with a stop
// time after the session was idle takes a quarter of the session timeout longer.
//
// It costs one transaction without effect every 1/4 to 1/16 of the timeout.
func WithSteadyProofs(d time.Duration) Option {
	return func(o *options) {
		if d < 0 {
			o.refuse("steady proofs for a stop time of %v", d)
		}
		o.steady, o.steadyStop = true, d
	}
}

// MaxStopTime returns the longest stop time that is possible with the session timeout
// that the server granted: about a third of the timeout. See WithStopTime of each recipe.
func (s *Session) MaxStopTime() time.Duration { return s.opts.maxStopTime(s.Timeout()) }

func (o *options) maxStopTime(timeout time.Duration) time.Duration {
	const shortest = 16
	return maxStopTime(timeout, timeout/shortest, o.outageOf(timeout)).Truncate(time.Millisecond)
}

// timeoutFor returns a session timeout that allows a stop time.
func (o *options) timeoutFor(stop time.Duration) time.Duration {
	need := float64(stop) / 0.3325
	if o.outage > 0 {
		need = float64(stop+o.outage) / 0.5825
	}
	const unit = 10 * time.Millisecond
	return (time.Duration(need)/unit + 1) * unit
}

// CheckStopTime returns an error that wraps ErrInvalid if the session timeout that the
// server granted does not allow the stop time. Only recipes need it. It sends nothing.
func (e *Epoch) CheckStopTime(path string, stop time.Duration) error {
	if stop == 0 {
		return nil
	}
	e.link.mu.Lock()
	timeout := e.link.timeout
	e.link.mu.Unlock()
	o := e.session.opts
	switch most := o.maxStopTime(timeout); {
	case stop < 0:
		return opError("own", path, fmt.Errorf("%w: a stop time of %v", ErrInvalid, stop))
	case stop > most:
		return opError("own", path, fmt.Errorf("%w: a stop time of %v, and the session timeout of %v allows at most %v; a session timeout of %v would allow it",
			ErrInvalid, stop, timeout, most, o.timeoutFor(stop)))
	}
	return nil
}

// KeepProvingFor is KeepProving for an owner with a stop time, which CheckStopTime must
// allow. Until release is called, the session sends proofs as often as the stop time
// needs. Ownership may begin when AwaitStopTime has returned. Only recipes need it.
func (e *Epoch) KeepProvingFor(ctx context.Context, stop time.Duration) (release func(), err error) {
	stopProving, err := e.KeepProving(ctx)
	if err != nil || stop == 0 {
		return stopProving, err
	}
	e.countStopTime(stop, 1)
	return sync.OnceFunc(func() {
		e.countStopTime(stop, -1)
		stopProving()
	}), nil
}

// AwaitStopTime blocks until an owner with the stop time would survive an outage that
// begins now. If the session has sent proofs often enough, it returns immediately. The
// caller must have called KeepProvingFor and not its release. Only recipes need it.
func (e *Epoch) AwaitStopTime(ctx context.Context, stop time.Duration) error {
	for stop > 0 {
		_, changed := e.Deadline()
		if e.allows(stop) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return e.ended(ctx)
		}
		if e.Err() != nil {
			return e.ended(ctx)
		}
	}
	return nil
}

// allows reports whether AwaitStopTime need not wait.
func (e *Epoch) allows(stop time.Duration) bool {
	l := e.link
	l.mu.Lock()
	defer l.mu.Unlock()
	return !e.finished && time.Until(l.proofs.certain()) >= stop+l.opts.outageOf(l.timeout)
}

// countStopTime adds n to the number of provers with a stop time.
func (e *Epoch) countStopTime(stop time.Duration, n int) {
	e.link.mu.Lock()
	defer e.link.mu.Unlock()
	if e.stopTimes == nil {
		e.stopTimes = make(map[time.Duration]int)
	}
	if e.stopTimes[stop] += n; e.stopTimes[stop] == 0 {
		delete(e.stopTimes, stop)
	}
	e.pace()
	e.wake()
}

// pace sets the interval between proofs. The caller must hold link.mu.
func (e *Epoch) pace() {
	l := e.link
	longest := l.opts.steadyStop
	for stop := range e.stopTimes {
		longest = max(longest, stop)
	}
	l.proofs.interval = proofInterval(l.timeout, longest, l.opts.outageOf(l.timeout))
}
