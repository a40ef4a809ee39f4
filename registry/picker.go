package registry

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"sync/atomic"
)

// Picker chooses one of the candidates, of which there is at least one, and
// returns its index. They are sorted by id. It may be called by many goroutines at
// once, must be quick, and must not change the slice.
type Picker func([]Candidate) int

// RoundRobin takes one instance after the other, each as often as its weight says.
// The Picker keeps count: make one for each use of a service and keep it.
func RoundRobin() Picker {
	var count atomic.Uint64
	return func(cs []Candidate) int { return turn(cs, &count) }
}

// turn goes round and round. In round n, an instance of weight w has its turn if
// n×w/most passes a whole number, most being the largest weight. So one of that
// weight always has it, and after as many rounds every other has had it w times.
func turn(cs []Candidate, count *atomic.Uint64) int {
	most := uint64(0)
	for i := range cs {
		most = max(most, uint64(cs[i].weight()))
	}
	for {
		n := count.Add(1) - 1
		i := n % uint64(len(cs))
		w := uint64(cs[i].weight())
		round := (n/uint64(len(cs)) + i) % most // those of the same weight do not take their turns in the same rounds
		if (round+1)*w/most != round*w/most {
			return int(i)
		}
	}
}

// Random takes any instance, with chances in proportion to the weights.
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

// Sticky takes the same instance for the same key, in every process, as long as it
// is there. When one goes, only its own keys move, and when one comes, only those
// that move to it. Weights are observed. The algorithm is rendezvous hashing, by
// id.
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

// score is the larger the likelier, and the largest of all with a chance in
// proportion to the weight.
func score(key string, c *Candidate) float64 {
	h := fnv.New64a()
	h.Write([]byte(key))
	h.Write([]byte{0})
	h.Write([]byte(c.ID))
	x := h.Sum64() // similar keys have similar sums: mix them, as SplitMix64 does
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	x ^= x >> 31
	uniform := (float64(x>>11) + 0.5) / (1 << 53)
	return -float64(c.weight()) / math.Log(uniform)
}

// LeastRecentlyFailed takes the instance whose last error is the longest ago, and
// of those that have never had one, each in turn.
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
			return turn(cs, &count)
		}
		healthy := make([]Candidate, 0, len(cs)-failed)
		indexes := make([]int, 0, len(cs)-failed)
		for i := range cs {
			if cs[i].Failed.IsZero() {
				healthy, indexes = append(healthy, cs[i]), append(indexes, i)
			}
		}
		return indexes[turn(healthy, &count)]
	}
}
