package tasks

import (
	"hash/fnv"
	"io"
)

// Strategy chooses the worker that a task is assigned to.
type Strategy struct {
	pick func(t PendingTask, workers []Worker) int
	data bool // pick needs the tasks' data
}

// PendingTask is a task that is to be assigned.
type PendingTask struct {
	ID   string
	Data []byte // as submitted, encoded
}

// Worker is a live worker as seen by the master.
type Worker struct {
	ID       string
	Capacity int // how many tasks it takes at a time
	Load     int // how many are assigned to it
}

func (w Worker) full() bool { return w.Load >= w.Capacity }

// LeastLoaded assigns each task to the worker that uses the smallest part of its
// capacity, and among equals to the one with the largest capacity.
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

// RoundRobin assigns tasks to the workers in turn, in the order of their ids. It
// skips workers that have no free capacity.
func RoundRobin() Strategy {
	last := ""
	return Strategy{pick: func(_ PendingTask, workers []Worker) int {
		best := -1
		for i, w := range workers { // the first one after last, otherwise the first one
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

// Sticky assigns all tasks of one key to the same worker while that worker lives.
// Use it for workers that cache data by key. When a worker starts or stops, only
// the keys of that worker move. A task whose worker has no free capacity waits, and
// tasks of other workers are assigned before it.
//
// key is called with each task's encoded data, from one goroutine. The worker of a
// key is chosen by rendezvous hashing (Thaler and Ravishankar, 1998).
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

// mix distributes a hash whose high bits hardly depend on the last bytes (the
// finalizer of MurmurHash3).
func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// StrategyFunc makes a Strategy of a function. pick returns the index of the
// worker, or a negative number to make the task wait until something has changed.
// It also waits if the chosen worker has no free capacity. workers has at least one
// element, is sorted by id and must not be retained. pick is called often, from one
// goroutine.
func StrategyFunc(pick func(t PendingTask, workers []Worker) int) Strategy {
	return Strategy{pick, true}
}
