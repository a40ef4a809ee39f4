package queue_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// drain drains a queue with several consumers, each in a separate session with a
// round trip of 10 ms, and returns how long one of them takes for an item.
func drain(t *testing.T, consumers int, take func(context.Context, *queue.Queue[string]) error) time.Duration {
	srv := zktest.New(t)
	const items = 160
	fill(t, texts(srv.Session(t)), items)
	var all sync.WaitGroup
	start := time.Now()
	for range consumers {
		q := texts(testkit.SlowSession(t, srv, 5*time.Millisecond))
		all.Go(func() {
			err := take(t.Context(), q)
			for ; err == nil; err = take(t.Context(), q) {
			}
			if err != queue.ErrEmpty {
				t.Error(err)
			}
		})
	}
	all.Wait()
	return time.Since(start) * time.Duration(consumers) / items
}

// Consumers that want the same items choose different ones.
func TestConsumersStepAside(t *testing.T) {
	for name, take := range map[string]func(context.Context, *queue.Queue[string]) error{
		"Pop": func(ctx context.Context, q *queue.Queue[string]) error { _, err := q.TryPop(ctx); return err },
		"Claim": func(ctx context.Context, q *queue.Queue[string]) error {
			item, err := q.TryClaim(ctx)
			if err == nil {
				err = item.Ack(ctx)
			}
			return err
		},
	} {
		took := map[int]time.Duration{}
		for _, n := range []int{1, 2, 8} {
			synctest.Test(t, func(t *testing.T) { took[n] = drain(t, n, take) })
			t.Logf("%s, %d consumers: %v per item and consumer", name, n, took[n])
		}
		if took[2] > took[1]*3/2 || took[8] > 2*took[1] {
			t.Errorf("%s: an item takes %v with one consumer, %v with two, %v with eight", name, took[1], took[2], took[8])
		}
	}
}

// A consumer takes items in order again when the other consumers have stopped.
func TestOrderComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := texts(srv.Session(t)), texts(srv.Session(t))
		fill(t, a, 200)
		for range 50 { // a's names are out of date all the time
			for _, q := range []*queue.Queue[string]{a, b} {
				if _, err := q.TryPop(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		var got []string
		for range 100 {
			v, err := b.TryPop(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, v)
		}
		if !slices.IsSorted(got[50:]) {
			t.Errorf("popped %q", got[50:])
		}
	})
}
