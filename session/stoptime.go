package session

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// A holder with a stop time is told of its loss that long before the deadline. So
// that it still survives an outage, the session proves itself more often. With
// proofs every interval, the deadline is 0.65 of the timeout less the interval
// ahead, at least; see proofs and docs/guarantees.md. The stop time and the outage
// must fit into that.

// proofIntervals are the parts of the timeout between two proofs, the usual one
// first.
var proofIntervals = [...]time.Duration{4, 8, 16}

// maxStopTime is the longest stop time with proofs every interval. It leaves
// 0.005 of the timeout for a round trip.
func maxStopTime(timeout, interval, outage time.Duration) time.Duration {
	return max(0, timeout*129/200-interval-outage)
}

// proofInterval is how often a session with holds of this stop time proves itself.
func proofInterval(timeout, stop, outage time.Duration) time.Duration {
	for _, part := range proofIntervals {
		if stop <= maxStopTime(timeout, timeout/part, outage) {
			return timeout / part
		}
	}
	return timeout / proofIntervals[len(proofIntervals)-1]
}

// outage is how long an outage a holder with a stop time survives.
func (o *options) outageOf(timeout time.Duration) time.Duration {
	if o.outage > 0 {
		return o.outage
	}
	return timeout / 4
}

// WithSurvivedOutage says how long an outage a holder with a stop time must survive
// without losing what it owns; the default is a quarter of the granted session
// timeout. A shorter one allows a longer stop time (see Session.MaxStopTime) and
// has outages that last longer, until the client is connected again, cost the
// ownership. It changes nothing for holders without a stop time.
func WithSurvivedOutage(d time.Duration) Option {
	return func(o *options) {
		if d <= 0 {
			o.refuse("survived outage %v", d)
		}
		o.outage = d
	}
}

// WithSteadyProofs has the session prove itself also while nothing is owned, as
// often as holders with a stop time of up to d need. Such a holder then owns
// without a wait after a rest; otherwise its first acquisition takes a quarter of
// the session timeout longer. It costs one transaction without effect every 1/4 to
// 1/16 of the timeout.
func WithSteadyProofs(d time.Duration) Option {
	return func(o *options) {
		if d < 0 {
			o.refuse("steady proofs for a stop time of %v", d)
		}
		o.steady, o.steadyStop = true, d
	}
}

// MaxStopTime is the longest stop time that an owner can have (see WithStopTime of
// each recipe) with the session timeout that the server has granted: about a third
// of the timeout.
func (s *Session) MaxStopTime() time.Duration { return s.opts.maxStopTime(s.Timeout()) }

func (o *options) maxStopTime(timeout time.Duration) time.Duration {
	const shortest = 16
	return maxStopTime(timeout, timeout/shortest, o.outageOf(timeout)).Truncate(time.Millisecond)
}

// timeoutFor is the session timeout that allows a stop time.
func (o *options) timeoutFor(stop time.Duration) time.Duration {
	need := float64(stop) / 0.3325
	if o.outage > 0 {
		need = float64(stop+o.outage) / 0.5825
	}
	const unit = 10 * time.Millisecond
	return (time.Duration(need)/unit + 1) * unit
}

// CheckStopTime refuses a stop time that the session timeout of this epoch, which
// the server has granted, does not allow. The error wraps ErrInvalid.
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

// KeepProvingFor is Hold for an owner with a stop time, which CheckStopTime must allow.
// Until release is called, the session proves itself as often as the stop time
// needs. Ownership may begin once AwaitStopTime has returned.
func (e *Epoch) KeepProvingFor(ctx context.Context, stop time.Duration) (release func(), err error) {
	give, err := e.KeepProving(ctx)
	if err != nil || stop == 0 {
		return give, err
	}
	e.owe(stop, 1)
	return sync.OnceFunc(func() {
		e.owe(stop, -1)
		give()
	}), nil
}

// AwaitStopTime waits until an owner with a stop time would survive an outage that
// begins now. While the session has proved itself often enough, it does not wait.
// The caller must hold what KeepProvingFor returned.
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

func (e *Epoch) allows(stop time.Duration) bool {
	l := e.link
	l.mu.Lock()
	defer l.mu.Unlock()
	return !e.finished && time.Until(l.proofs.certain()) >= stop+l.opts.outageOf(l.timeout)
}

// owe counts the holds with a stop time.
func (e *Epoch) owe(stop time.Duration, n int) {
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

// pace sets how often the session proves itself. link.mu is held.
func (e *Epoch) pace() {
	l := e.link
	longest := l.opts.steadyStop
	for stop := range e.stopTimes {
		longest = max(longest, stop)
	}
	l.proofs.interval = proofInterval(l.timeout, longest, l.opts.outageOf(l.timeout))
}
