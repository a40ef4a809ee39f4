package tasks

import (
	"hash/fnv"
	"io"
)

// Strategy picks the worker that a task is assigned to.
type Strategy struct {
	pick func(t PendingTask, workers []Worker) int
	data bool // it wants to see the tasks' data
}

// PendingTask is a task that is to be assigned.
type PendingTask struct {
	ID   string
	Data []byte // as it was submitted, encoded
}

// Worker is a live worker, as the master sees it.
type Worker struct {
	ID       string
	Capacity int // how many tasks it takes at a time
	Load     int // how many are assigned to it
}

func (w Worker) full() bool { return w.Load >= w.Capacity }

// LeastLoaded assigns each task to the worker that uses the smallest part of its
// capacity; among several, to the one of the greatest capacity.
func LeastLoaded() Strategy {
	return Strategy{pick: func(_ PendingTask, workers []Worker) int {
		best := -1
		for i, w := range workers {
			if w.full() {
				continue
			}
			if best < 0 {
				best = i
				continue
			}
			b := workers[best]
			if d := w.Load*b.Capacity - b.Load*w.Capacity; d < 0 || d == 0 && w.Capacity > b.Capacity {
				best = i
			}
		}
		return best
	}}
}

// RoundRobin assigns tasks to the workers in turn, in the order of their ids, past
// those that have as many as they take.
func RoundRobin() Strategy {
	last := ""
	return Strategy{pick: func(_ PendingTask, workers []Worker) int {
		best := -1
		for i, w := range workers { // the first behind the last, or else the first
			if !w.full() && (best < 0 || workers[best].ID <= last && w.ID > last) {
				best = i
			}
		}
		if best >= 0 {
			last = workers[best].ID
		}
		return best
	}}
}

// Sticky assigns all tasks of one key to the same worker, as long as that lives; it
// is for workers that keep something of theirs. When a worker comes or goes, only
// its own keys move. A task whose worker has as many as it takes waits, and lets
// those of other workers pass.
//
// key is called with each task's data, encoded, from one goroutine. Where each key
// belongs is found by rendezvous hashing (Thaler and Ravishankar, 1998).
func Sticky(key func(data []byte) string) Strategy {
	if key == nil {
		return Strategy{}
	}
	return StrategyFunc(func(t PendingTask, workers []Worker) int {
		best, highest := -1, uint64(0)
		k := key(t.Data)
		for i, w := range workers {
			h := fnv.New64a()
			io.WriteString(h, w.ID)
			h.Write([]byte{0})
			io.WriteString(h, k)
			if score := mix(h.Sum64()); best < 0 || score > highest {
				best, highest = i, score
			}
		}
		if workers[best].full() {
			return -1
		}
		return best
	})
}

// mix spreads a hash whose high bits hardly depend on the last bytes (the finalizer
// of MurmurHash3).
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// StrategyFunc is a strategy of one's own. pick returns the index of the worker, or a negative
// one to have the task wait until something has changed; workers, of which there is
// one at least, are sorted by their ids and must not be kept. A task of a worker
// that is full waits, too. pick is called from one goroutine, and often.
func StrategyFunc(pick func(t PendingTask, workers []Worker) int) Strategy {
	return Strategy{pick, true}
}
