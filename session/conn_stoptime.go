package session

import (
	"context"
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
func (cfg *config) outageOf(timeout time.Duration) time.Duration {
	if cfg.Outage > 0 {
		return cfg.Outage
	}
	return timeout / 4
}

// MaxStopTime returns the longest stop time that is possible with a session timeout.
func (cfg *config) MaxStopTime(timeout time.Duration) time.Duration {
	const shortest = 16
	return maxStopTime(timeout, timeout/shortest, cfg.outageOf(timeout)).Truncate(time.Millisecond)
}

// TimeoutFor returns a session timeout that allows a stop time.
func (cfg *config) TimeoutFor(stop time.Duration) time.Duration {
	need := float64(stop) / 0.3325
	if cfg.Outage > 0 {
		need = float64(stop+cfg.Outage) / 0.5825
	}
	const unit = 10 * time.Millisecond
	return (time.Duration(need)/unit + 1) * unit
}

// KeepProvingFor is KeepProving for an owner with a stop time of at most MaxStopTime.
// Until release is called, the link sends proofs as often as the stop time needs.
func (l *link) KeepProvingFor(ctx context.Context, stop time.Duration) (release func(), err error) {
	stopProving, err := l.KeepProving(ctx)
	if err != nil || stop == 0 {
		return stopProving, err
	}
	l.countStopTime(stop, 1)
	return sync.OnceFunc(func() {
		l.countStopTime(stop, -1)
		stopProving()
	}), nil
}

// AwaitStopTime blocks until an owner with the stop time would survive an outage that
// begins now. If proofs have been sent often enough, it returns immediately. The caller
// must have called KeepProvingFor and not its release.
func (l *link) AwaitStopTime(ctx context.Context, stop time.Duration) error {
	for stop > 0 {
		_, changed := l.Deadline()
		if l.allows(stop) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return l.Ended(ctx)
		}
		if l.Err() != nil {
			return l.Ended(ctx)
		}
	}
	return nil
}

// allows reports whether AwaitStopTime need not wait.
func (l *link) allows(stop time.Duration) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.finished && time.Until(l.proofs.certain()) >= stop+l.cfg.outageOf(l.timeout)
}

// countStopTime adds n to the number of provers with a stop time.
func (l *link) countStopTime(stop time.Duration, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopTimes == nil {
		l.stopTimes = make(map[time.Duration]int)
	}
	if l.stopTimes[stop] += n; l.stopTimes[stop] == 0 {
		delete(l.stopTimes, stop)
	}
	l.pace()
	l.wake()
}

// pace sets the interval between proofs. The caller must hold l.mu.
func (l *link) pace() {
	longest := l.cfg.SteadyStop
	for stop := range l.stopTimes {
		longest = max(longest, stop)
	}
	l.proofs.interval = proofInterval(l.timeout, longest, l.cfg.outageOf(l.timeout))
}
