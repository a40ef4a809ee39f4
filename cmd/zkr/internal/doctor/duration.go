package doctor

import (
	"context"
	"encoding/json"
	"slices"
	"time"
)

// MarshalJSON returns the number of milliseconds.
func (d Duration) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(time.Duration(d).Microseconds()) / 1000)
}

// String returns the duration with at most three digits that matter.
func (d Duration) String() string {
	t := time.Duration(d)
	switch abs := t.Abs(); {
	case abs >= 10*time.Second:
		t = t.Round(100 * time.Millisecond)
	case abs >= time.Second:
		t = t.Round(10 * time.Millisecond)
	case abs >= 10*time.Millisecond:
		t = t.Round(100 * time.Microsecond)
	default:
		t = t.Round(10 * time.Microsecond)
	}
	return t.String()
}

// newLatency returns the percentiles of samples, or nil if there are none.
func newLatency(samples []time.Duration) *Latency {
	if len(samples) == 0 {
		return nil
	}
	slices.Sort(samples)
	at := func(percent int) Duration {
		return Duration(samples[(len(samples)*percent+99)/100-1])
	}
	return &Latency{P50: at(50), P99: at(99), Samples: len(samples)}
}

// high returns the 99th percentile, or the median of so few samples that one slow request
// would decide.
func (l *Latency) high() Duration {
	if l.Samples < 20 {
		return l.P50
	}
	return l.P99
}

// lingering returns a context that is done grace after ctx is.
func lingering(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel(context.Cause(ctx))
		case <-late.Done():
		}
	})
	return late, func() {
		stop()
		cancel(context.Canceled)
	}
}
