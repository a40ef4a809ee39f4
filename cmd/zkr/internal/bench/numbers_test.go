package bench

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

func TestPercentiles(t *testing.T) {
	var ds []time.Duration
	for i := range 1000 {
		ds = append(ds, time.Duration(i+1))
	}
	rand.Shuffle(len(ds), func(i, j int) { ds[i], ds[j] = ds[j], ds[i] })
	if got, want := newLatency(ds), (Latency{500, 900, 990, 999, 1000}); got != want {
		t.Errorf("percentiles of 1 to 1000 are %v, want %v", got, want)
	}
	if got, want := newLatency([]time.Duration{3, 7}), (Latency{3, 7, 7, 7, 7}); got != want {
		t.Errorf("percentiles of 3 and 7 are %v, want %v", got, want)
	}
	if got := newLatency(nil); got != (Latency{}) {
		t.Errorf("percentiles of nothing are %v", got)
	}
}

// Requests that overlap are one round trip.
func TestRoundTrips(t *testing.T) {
	type request struct{ sent, ended time.Duration }
	for _, c := range []struct {
		name     string
		requests []request // in the order in which they ended
		want     int64
	}{
		{"one after another", []request{{0, 10}, {10, 20}, {25, 30}}, 3},
		{"together", []request{{0, 10}, {1, 11}, {2, 12}}, 1},
		{"a long one beside two", []request{{0, 10}, {10, 20}, {5, 25}}, 2},
		{"each sent before the last ended", []request{{0, 10}, {8, 20}, {18, 30}}, 2},
		{"lost together", []request{{0, 10}, {9, 15}, {12, 15}}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			var n counter
			start := time.Now()
			for _, r := range c.requests {
				n.endedAt(start.Add(r.ended), session.RequestInfo{Duration: r.ended - r.sent, Sent: 3, Received: 5})
			}
			k := int64(len(c.requests))
			if got, want := n.load(), (Traffic{Requests: k, RoundTrips: c.want, Sent: 3 * k, Received: 5 * k}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}
