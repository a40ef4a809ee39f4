package lock_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Readers, writers and writers that become readers acquire the lock at random, with
// and without timeouts, while connections break, replies are lost, sessions expire and
// clients are cut off. A writer never owns together with another contender, and no
// node is left at the end. (Curator's fault 3.17.)
func TestReadWriteHistories(t *testing.T) {
	for seed := range faulttable.Seeds(16) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := &history{T: t, random: rand.New(rand.NewPCG(seed, 1)), ended: seed%4 > 1}
				h.owners.Limit = manyReaders
				h.play(seed%2 == 0, h.readAndWrite)
			})
		})
	}
}

type history struct {
	*testing.T
	srv    *zktest.Server
	owners faulttable.Owners
	ended  bool // all sequence numbers are the last one

	mu       sync.Mutex
	random   *rand.Rand
	acquired [2]int // acquisitions of each kind, to check that there were some
}

// n returns a random number below max.
func (h *history) n(max int) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.random.IntN(max)
}

func (h *history) pause(max time.Duration) { time.Sleep(time.Duration(h.n(int(max)))) }

// play lets several contenders of each session run for five minutes.
func (h *history) play(expiries bool, contend func(context.Context, string, *session.Session)) {
	h.srv = zktest.New(h, zktest.WithTick(500*time.Millisecond))
	var sessions []*session.Session
	for range 3 {
		sessions = append(sessions, h.srv.Session(h))
	}
	if h.ended {
		for _, p := range []string{path, permits + "/locks", permits + "/leases"} {
			endSequence(h, h.srv, sessions[0], p, 3)
		}
	}
	ctx, cancel := context.WithTimeout(h.Context(), 5*time.Minute)
	defer cancel()
	faults := []zktest.Fault{zktest.Refuse, zktest.DropReply, zktest.Cut}
	if expiries {
		faults = append(faults, zktest.ExpireBefore, zktest.ExpireAfter)
	}
	stop := h.srv.Fault(faulttable.Limit(func(zktest.Request) zktest.Fault {
		if h.n(25) > 0 {
			return zktest.Pass
		}
		f := faults[h.n(len(faults))]
		if f == zktest.ExpireBefore || f == zktest.ExpireAfter {
			h.owners.SessionExpired()
		}
		return f
	}))
	var all sync.WaitGroup
	for i, s := range sessions {
		for j := range 3 {
			all.Go(func() { contend(ctx, fmt.Sprintf("%d.%d", i, j), s) })
		}
	}
	for ctx.Err() == nil { // cut a client off from time to time
		h.pause(40 * time.Second)
		cut := []func(*zktest.Server, int64) func(){(*zktest.Server).Partition, (*zktest.Server).Isolate}[h.n(2)]
		heal := cut(h.srv, sessions[h.n(len(sessions))].Status().ID)
		h.pause(15 * time.Second)
		heal()
	}
	all.Wait()
	stop()
	time.Sleep(time.Minute) // background work has ended by then
	h.owners.Check(h)
	if min(h.acquired[0], h.acquired[1]) < 20 {
		h.Errorf("only %v acquisitions", h.acquired)
	}
	for _, s := range sessions {
		s.Close(context.Background())
	}
	h.srv.Leaks(h)
}

// countAcquired counts an acquisition.
func (h *history) countAcquired(kind bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if kind {
		h.acquired[1]++
	} else {
		h.acquired[0]++
	}
}

// readAndWrite acquires the lock repeatedly until ctx ends.
func (h *history) readAndWrite(ctx context.Context, who string, s *session.Session) {
	m := lock.NewRW(s, path)
	for ctx.Err() == nil {
		h.pause(4 * time.Second)
		acquire, weight := m.RLock, 1
		switch h.n(8) {
		case 0, 1, 2:
			acquire, weight = m.Lock, manyReaders
		case 3:
			acquire, weight = m.TryLock, manyReaders
		case 4:
			acquire = m.TryRLock
		}
		patience, cancel := context.WithTimeout(ctx, time.Duration(h.n(int(30*time.Second))))
		l, err := acquire(patience)
		cancel()
		if err != nil {
			if !errors.Is(err, lock.ErrLocked) && patience.Err() == nil {
				h.Errorf("%s: %v", who, err)
			}
			continue
		}
		h.owners.BeginShare(who, l.Token(), weight, l.Context())
		h.hold(l)
		if weight > 1 && h.n(2) == 0 {
			l = h.downgrade(ctx, who, l)
		}
		if l != nil {
			l.Unlock(ctx)
		}
		h.countAcquired(weight > 1)
	}
}

func (h *history) downgrade(ctx context.Context, who string, w *lock.Lease) *lock.Lease {
	patience, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := w.Downgrade(patience)
	if err != nil {
		if !errors.Is(err, lock.ErrLost) && patience.Err() == nil {
			h.Errorf("Downgrade of %s: %v", who, err)
		}
		return nil
	}
	h.owners.BeginShare(who+", reading", r.Token(), 1, r.Context())
	h.hold(r)
	return r
}

// hold keeps a lease for a while.
func (h *history) hold(l *lock.Lease) {
	select {
	case <-time.After(time.Duration(h.n(int(2 * time.Second)))):
	case <-l.Context().Done():
	}
}
