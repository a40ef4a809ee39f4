package registry

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"sync/atomic"
)

// Picker chooses one of the candidates and returns its index. There is at least one
// candidate, and they are sorted by id. A Picker may be called by many goroutines at
// once. It must be fast and must not change the slice.
type Picker func([]Candidate) int

// RoundRobin picks the instances in order, each as often as its weight says. The
// Picker counts its calls: create one for each use of a service and keep it.
func RoundRobin() Picker {
	var count atomic.Uint64
	return func(cs []Candidate) int { return nextWeighted(cs, &count) }
}

// nextWeighted returns the next candidate in weighted round-robin order. In round n, a
// candidate of weight w is picked if n×w/largest passes a whole number, largest being the
// largest weight. So a candidate with the largest weight is picked in every round, and
// in largest rounds every candidate of weight w is picked w times.
func nextWeighted(cs []Candidate, count *atomic.Uint64) int {
	largest := uint64(0)
	for i := range cs {
		largest = max(largest, uint64(cs[i].weight()))
	}
	for {
		n := count.Add(1) - 1
		i := n % uint64(len(cs))
		w := uint64(cs[i].weight())
		round := (n/uint64(len(cs)) + i) % largest // the offset i spreads candidates of the same weight over the rounds
		if (round+1)*w/largest != round*w/largest {
			return int(i)
		}
	}
}

// Random picks an instance at random, with probabilities in proportion to the weights.
func Random() Picker {
	return func(cs []Candidate) int {
		total := 0
		for i := range cs {
			total += cs[i].weight()
		}
		n := rand.IntN(total)
		for i := range cs {
			if n -= cs[i].weight(); n < 0 {
				return i
			}
		}
		return len(cs) - 1
	}
}

// Sticky picks the same instance for the same key, in every process, as long as the
// instance exists. If an instance disappears, only its keys move; if one is added,
// only the keys that it gets move. Weights are respected. The algorithm is rendezvous
// hashing by id.
func Sticky(key string) Picker {
	return func(cs []Candidate) int {
		best, highest := 0, math.Inf(-1)
		for i := range cs {
			if s := score(key, &cs[i]); s > highest {
				best, highest = i, s
			}
		}
		return best
	}
}

// score returns the candidate's score for a key. The probability that a candidate has
// the highest score is in proportion to its weight.
func score(key string, c *Candidate) float64 {
	h := fnv.New64a()
	h.Write([]byte(key))
	h.Write([]byte{0})
	h.Write([]byte(c.ID))
	x := h.Sum64() // similar keys have similar sums: mix the bits, as SplitMix64 does
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	uniform := (float64(x>>11) + 0.5) / (1 << 53)
	return -float64(c.weight()) / math.Log(uniform)
}

// LeastRecentlyFailed picks the instances that have never failed, in round-robin
// order. If all have failed, it picks the one whose last failure is the longest ago.
func LeastRecentlyFailed() Picker {
	var count atomic.Uint64
	return func(cs []Candidate) int {
		oldest, failed := 0, 0
		for i := range cs {
			if !cs[i].Failed.IsZero() {
				failed++
			}
			if cs[i].Failed.Before(cs[oldest].Failed) {
				oldest = i
			}
		}
		switch failed {
		case len(cs):
			return oldest
		case 0:
			return nextWeighted(cs, &count)
		}
		healthy := make([]Candidate, 0, len(cs)-failed)
		indexes := make([]int, 0, len(cs)-failed)
		for i := range cs {
			if cs[i].Failed.IsZero() {
				healthy, indexes = append(healthy, cs[i]), append(indexes, i)
			}
		}
		return indexes[nextWeighted(healthy, &count)]
	}
}
