package queue_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// seeds is the number of histories that are played for each layout.
var seeds = flag.Uint64("histories", 1, "how many random histories to play for each layout")

// history is what the calls of producers and consumers returned.
type history struct {
	*testing.T
	mu      sync.Mutex
	pushed  map[string]bool // true for certain
	taken   map[string]int
	unknown int // items that may have been taken
	calls   map[string]int
}

func (h *history) call(name string, err error) {
	h.calls[name]++
	if err != nil {
		h.calls[name+" failed"]++
	}
}

func (h *history) push(err error, vs ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.call("push", err)
	for _, v := range vs {
		if err == nil {
			h.pushed[v] = true
		} else if errors.Is(err, session.ErrUnknown) {
			h.pushed[v] = false
		}
	}
}

// take records the values that a call has taken, or, if the outcome is unknown,
// that it may have taken up to n.
func (h *history) take(name string, err error, n int, vs ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.call(name, err)
	switch {
	case err == nil:
		for _, v := range vs {
			h.taken[v]++
		}
	case errors.Is(err, session.ErrUnknown):
		h.unknown += n
	case errors.Is(err, queue.ErrLost), err == queue.ErrEmpty, errors.Is(err, context.DeadlineExceeded):
	default:
		h.Errorf("%s: %v", name, err)
	}
}

// check compares the pushed values with the taken ones.
func (h *history) check() {
	missing := 0
	for v, certain := range h.pushed {
		if certain && h.taken[v] == 0 {
			missing++
		}
	}
	for v, n := range h.taken {
		if _, ok := h.pushed[v]; !ok {
			h.Errorf("%s was taken, and never pushed", v)
		}
		if n > 1 {
			h.Errorf("%s was taken %d times", v, n)
		}
	}
	if missing > h.unknown {
		h.Errorf("%d items are missing, and %d may have been taken without the consumer's knowing", missing, h.unknown)
	}
	h.Logf("%d pushed, %d taken, %d missing of at most %d; %v", len(h.pushed), len(h.taken), missing, h.unknown, h.calls)
}

// Producers and consumers of every kind run while the servers fail in every way: no
// item is lost, none is taken twice.
func TestHistories(t *testing.T) {
	for name, opts := range layouts {
		for seed := range *seeds {
			t.Run(fmt.Sprintf("%s, %d", name, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { chaos(t, seed, name != "curator", opts) })
			})
		}
	}
}

func chaos(t *testing.T, seed uint64, claims bool, opts []queue.Option) {
	rng := rand.New(rand.NewPCG(seed, 1))
	var dice sync.Mutex
	roll := func(n int) int {
		dice.Lock()
		defer dice.Unlock()
		return rng.IntN(n)
	}
	srv := zktest.New(t, zktest.WithContainerCheck(time.Second), zktest.WithTick(500*time.Millisecond))
	h := &history{T: t, pushed: map[string]bool{}, taken: map[string]int{}, calls: map[string]int{}}
	faults := []zktest.Fault{zktest.DropReply, zktest.Refuse, zktest.Cut, zktest.ExpireAfter, zktest.ExpireBefore}
	quiet := srv.Fault(faulttable.Limit(func(r zktest.Request) zktest.Fault {
		if roll(15) == 0 && r.Op != "connect" {
			if n := roll(12); n < len(faults) {
				return faults[n]
			}
			return faults[roll(3)]
		}
		return zktest.Pass
	}))
	var producers, consumers sync.WaitGroup
	for p := range 3 {
		q := texts(srv.Session(t), opts...)
		producers.Go(func() {
			for i := range 60 {
				v := fmt.Sprintf("%d-%02d", p, i)
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(roll(2000))*time.Millisecond)
				if roll(3) == 0 {
					_, err := q.PushAll(ctx, []string{v, v + "b", v + "c"})
					h.push(err, v, v+"b", v+"c")
				} else {
					_, err := q.Push(ctx, v)
					h.push(err, v)
				}
				cancel()
				time.Sleep(time.Duration(roll(500)) * time.Millisecond)
			}
		})
	}
	done := make(chan struct{})
	for range 4 {
		q := texts(srv.Session(t), opts...)
		consumers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(roll(3000))*time.Millisecond)
				kind := roll(4)
				switch {
				case kind == 0:
					vs, err := q.PopN(ctx, 3)
					h.take("PopN", err, 3, vs...)
				case kind == 1 || !claims:
					v, err := q.Pop(ctx)
					h.take("Pop", err, 1, v)
				default:
					h.claim(ctx, q, roll)
				}
				cancel()
				time.Sleep(time.Duration(roll(300)) * time.Millisecond)
			}
		})
	}
	if claims {
		for range 2 {
			q := texts(srv.Session(t), opts...)
			consumers.Go(func() { h.consume(q, done, roll) })
		}
	}
	producers.Wait()
	time.Sleep(30 * time.Second)
	close(done)
	consumers.Wait()
	quiet()
	time.Sleep(30 * time.Second) // sessions have expired, and the background work has ended
	last := texts(srv.Session(t), opts...)
	for {
		v, err := last.TryPop(t.Context())
		if err == queue.ErrEmpty {
			break
		}
		h.take("drain", err, 0, v)
	}
	h.check()
	if w := srv.Watches(); len(w) > 0 {
		t.Errorf("watches are left: %v", w)
	}
}

// claim claims an item, works for a while and settles it in a random way.
func (h *history) claim(ctx context.Context, q *queue.Queue[string], roll func(int) int) {
	item, err := q.Claim(ctx)
	if err != nil {
		h.take("Claim", err, 0)
		return
	}
	time.Sleep(time.Duration(roll(500)) * time.Millisecond)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	switch roll(3) {
	case 0:
		h.take("Nack", item.Nack(ctx), 0)
	default:
		h.take("Ack", item.Ack(ctx), 1, item.Value)
	}
}

func (h *history) consume(q *queue.Queue[string], done chan struct{}, roll func(int) int) {
	ctx, cancel := context.WithCancel(h.Context())
	go func() { <-done; cancel() }()
	err := q.Consume(ctx, func(ctx context.Context, item *queue.Item[string]) error {
		time.Sleep(time.Duration(roll(500)) * time.Millisecond)
		if roll(4) == 0 {
			return errors.New("failed")
		}
		sctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		h.take("Ack in Consume", item.Ack(sctx), 1, item.Value)
		return nil
	}, queue.WithConcurrency(3))
	if err != nil {
		h.Errorf("Consume: %v", err)
	}
}
