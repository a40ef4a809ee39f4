package conn

import (
	"context"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/channel"
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
func (cfg *Config) outageOf(timeout time.Duration) time.Duration {
	if cfg.Outage > 0 {
		return cfg.Outage
	}
	return timeout / 4
}

// MaxStopTime returns the longest stop time that is possible with a session timeout.
func (cfg *Config) MaxStopTime(timeout time.Duration) time.Duration {
	const shortest = 16
	return maxStopTime(timeout, timeout/shortest, cfg.outageOf(timeout)).Truncate(time.Millisecond)
}

// TimeoutFor returns a session timeout that allows a stop time.
func (cfg *Config) TimeoutFor(stop time.Duration) time.Duration {
	need := float64(stop) / 0.3325
	if cfg.Outage > 0 {
		need = float64(stop+cfg.Outage) / 0.5825
	}
	const unit = 10 * time.Millisecond
	return (time.Duration(need)/unit + 1) * unit
}

// KeepProvingFor is KeepProving for an owner with a stop time of at most MaxStopTime.
// Until release is called, the Conn sends proofs as often as the stop time needs.
func (cc *Conn) KeepProvingFor(ctx context.Context, stop time.Duration) (release func(), err error) {
	stopProving, err := cc.KeepProving(ctx)
	if err != nil || stop == 0 {
		return stopProving, err
	}
	cc.countStopTime(stop, 1)
	return sync.OnceFunc(func() {
		cc.countStopTime(stop, -1)
		stopProving()
	}), nil
}

// AwaitStopTime blocks until an owner with the stop time would survive an outage that
// begins now. If proofs have been sent often enough, it returns immediately. The caller
// must have called KeepProvingFor and not its release.
func (cc *Conn) AwaitStopTime(ctx context.Context, stop time.Duration) error {
	for stop > 0 {
		_, changed := cc.Deadline()
		if cc.allows(stop) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return cc.Ended(ctx)
		}
		if cc.Err() != nil {
			return cc.Ended(ctx)
		}
	}
	return nil
}

// allows reports whether AwaitStopTime need not wait.
func (cc *Conn) allows(stop time.Duration) bool {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	return !cc.finished && time.Until(cc.proofs.certain()) >= stop+cc.cfg.outageOf(cc.timeout)
}

// countStopTime adds n to the number of provers with a stop time.
func (cc *Conn) countStopTime(stop time.Duration, n int) {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	if cc.stopTimes == nil {
		cc.stopTimes = make(map[time.Duration]int)
	}
	if cc.stopTimes[stop] += n; cc.stopTimes[stop] == 0 {
		delete(cc.stopTimes, stop)
	}
	cc.pace()
	channel.Wake(cc.wakeup)
}

// pace sets the interval between proofs. The caller must hold cc.mu.
func (cc *Conn) pace() {
	longest := cc.cfg.SteadyStop
	for stop := range cc.stopTimes {
		longest = max(longest, stop)
	}
	cc.proofs.interval = proofInterval(cc.timeout, longest, cc.cfg.outageOf(cc.timeout))
}
