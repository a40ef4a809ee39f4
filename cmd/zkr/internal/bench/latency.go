package bench

import (
	"math"
	"slices"
	"sync"
	"time"
)

// recorder records the latencies of operations.
type recorder struct {
	mu        sync.Mutex
	latencies []time.Duration
	failed    int
	firstErr  error // of the first failed operation
}

func (r *recorder) record(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latencies = append(r.latencies, d)
}

func (r *recorder) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failed++
	if r.firstErr == nil {
		r.firstErr = err
	}
}

// Latency is the distribution of the latencies of operations.
type Latency struct{ P50, P90, P99, P999, Max time.Duration }

// newLatency returns the distribution of ds, which it sorts.
func newLatency(ds []time.Duration) Latency {
	if len(ds) == 0 {
		return Latency{}
	}
	slices.Sort(ds)
	return Latency{
		P50: percentile(ds, 0.5), P90: percentile(ds, 0.9), P99: percentile(ds, 0.99), P999: percentile(ds, 0.999),
		Max: ds[len(ds)-1],
	}
}

// percentile returns the nearest-rank percentile of sorted durations.
func percentile(sorted []time.Duration, p float64) time.Duration {
	rank := int(math.Ceil(p * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}
