package lock_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
)

const fewPermits = 2

// draw acquires k of the permits and keeps them for a second.
func draw(s *faulttable.Run, who string, sess *session.Session, k int) {
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	l, err := lock.NewSemaphore(sess, permits, fewPermits).AcquireN(ctx, k)
	if err != nil {
		s.Errorf("AcquireN of %s: %v", who, err)
		return
	}
	keep(s, who, l, k)
}

func drawStaggered(s *faulttable.Run, steps ...func()) {
	s.Owners.Limit = fewPermits
	runStaggered(s, steps...)
	if n, err := lock.NewSemaphore(s.Healthy, permits, fewPermits).Remaining(s.Context()); err != nil || n != fewPermits {
		time.Sleep(20 * time.Second) // the server deletes the permits of a lost session only now
		if n, err = lock.NewSemaphore(s.Healthy, permits, fewPermits).Remaining(s.Context()); err != nil || n != fewPermits {
			s.Errorf("%d permits remain (%v)", n, err)
		}
	}
}

// The first caller creates all nodes.
func TestFaultsAcquireFirst(t *testing.T) {
	faulttable.Sample(t, 67, func(s *faulttable.Run) {
		drawStaggered(s, func() { draw(s, "faulty", s.Faulty, 2) })
	})
}

func TestFaultsAcquireFree(t *testing.T) {
	faulttable.Sample(t, 11, func(s *faulttable.Run) {
		l, err := lock.NewSemaphore(s.Healthy, permits, fewPermits).Acquire(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		if err := l.Unlock(s.Context()); err != nil {
			s.Fatal(err)
		}
		drawStaggered(s, func() { draw(s, "faulty", s.Faulty, 2) })
	})
}

func TestFaultsAcquireContended(t *testing.T) {
	faulttable.Sample(t, 17, func(s *faulttable.Run) {
		drawStaggered(s,
			func() { draw(s, "healthy", s.Healthy, 1) },
			func() { draw(s, "faulty", s.Faulty, 2) },
			func() { draw(s, "next healthy", s.Healthy, 1) })
	})
}

// Curator's fault 3.8: a lease that was created but not yet recorded stayed when the
// thread was interrupted.
func TestFaultsAcquireCanceled(t *testing.T) {
	faulttable.Sample(t, 11, func(s *faulttable.Run) {
		drawStaggered(s,
			func() { draw(s, "healthy", s.Healthy, 2) },
			func() {
				ctx, cancel := context.WithTimeout(s.Context(), 500*time.Millisecond)
				defer cancel()
				start := time.Now()
				_, err := lock.NewSemaphore(s.Faulty, permits, fewPermits).Acquire(ctx)
				if !errors.Is(err, context.DeadlineExceeded) {
					s.Errorf("Acquire: %v", err)
				}
				if d := time.Since(start); d > 500*time.Millisecond {
					s.Errorf("Acquire took %v", d)
				}
			},
			func() { draw(s, "next healthy", s.Healthy, 2) })
	})
}

func TestFaultsTryAcquire(t *testing.T) {
	faulttable.Sample(t, 11, func(s *faulttable.Run) {
		drawStaggered(s,
			func() { draw(s, "healthy", s.Healthy, 2) },
			func() {
				_, err := lock.NewSemaphore(s.Faulty, permits, fewPermits).TryAcquire(s.Context())
				if !errors.Is(err, lock.ErrLocked) && s.Context().Err() == nil {
					s.Errorf("TryAcquire of what is taken: %v", err)
				}
			})
	})
}

// Clients acquire one or several permits at random, with and without timeouts, while
// connections break, replies are lost, sessions expire and clients are cut off. The
// taken permits never exceed the limit, by the clocks of their holders and by the
// nodes, and at the end all are free.
func TestSemaphoreHistories(t *testing.T) {
	for seed := range faulttable.Seeds(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := &history{T: t, random: rand.New(rand.NewPCG(seed, 2)), ended: seed%4 > 1}
				h.owners.Limit = 3
				h.play(seed%2 == 0, h.draw)
			})
		})
	}
}

func (h *history) draw(ctx context.Context, who string, s *session.Session) {
	m := lock.NewSemaphore(s, permits, h.owners.Limit)
	for ctx.Err() == nil {
		h.pause(4 * time.Second)
		k, acquire := 1+h.n(h.owners.Limit), m.AcquireN
		if h.n(4) == 0 {
			acquire = m.TryAcquireN
		}
		patience, cancel := context.WithTimeout(ctx, time.Duration(h.n(int(30*time.Second))))
		l, err := acquire(patience, k)
		cancel()
		if err != nil {
			if !errors.Is(err, lock.ErrLocked) && patience.Err() == nil {
				h.Errorf("%s: %v", who, err)
			}
			continue
		}
		h.owners.BeginShare(who, l.Token(), k, l.Context())
		if n := strings.Count(h.srv.Tree(), "-lease-"); n > h.owners.Limit {
			h.Errorf("%d permits in the tree:\n%s", n, h.srv.Tree())
		}
		h.hold(l)
		l.Unlock(ctx)
		h.countAcquired(k > 1)
	}
}
