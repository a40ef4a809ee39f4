package queue_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// fill pushes n items of a hundred bytes.
func fill(t testing.TB, q *queue.Queue[string], n int) {
	t.Helper()
	vs := make([]string, 0, n)
	for i := range n {
		vs = append(vs, fmt.Sprintf("%0100d", i))
	}
	if _, err := q.PushAll(t.Context(), vs); err != nil {
		t.Fatal(err)
	}
}

// drains are ways to take some of the n items of a queue.
var drains = map[string]func(t testing.TB, s *session.Session, some int){
	"Pop": func(t testing.TB, s *session.Session, some int) {
		q := texts(s)
		for range some {
			if _, err := q.TryPop(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	},
	"PopN": func(t testing.TB, s *session.Session, some int) {
		q := texts(s)
		for some > 0 {
			vs, err := q.TryPopN(t.Context(), min(some, 100))
			if err != nil {
				t.Fatal(err)
			}
			some -= len(vs)
		}
	},
	"Consume": func(t testing.TB, s *session.Session, some int) {
		ctx, cancel := context.WithCancel(t.Context())
		var n atomic.Int64
		err := texts(s).Consume(ctx, func(context.Context, *queue.Item[string]) error {
			if n.Add(1) == int64(some) {
				cancel()
			}
			return nil
		}, queue.WithConcurrency(16))
		if err != nil {
			t.Fatal(err)
		}
	},
	// What most libraries do: list, take the first, delete it.
	"list per item": func(t testing.TB, s *session.Session, some int) {
		for range some {
			names, _, err := s.Children(t.Context(), path+"/items")
			if err != nil {
				t.Fatal(err)
			}
			first := path + "/items/" + slices.Min(names)
			if _, _, err := s.Get(t.Context(), first); err != nil {
				t.Fatal(err)
			}
			if err := s.Delete(t.Context(), first, session.AnyVersion); err != nil {
				t.Fatal(err)
			}
		}
	},
}

// BenchmarkDrain empties queues of 100 and of 100,000 items. The time for an item
// must not depend on how many items wait.
func BenchmarkDrain(b *testing.B) {
	for _, how := range []string{"Pop", "PopN", "Consume", "list per item"} {
		for _, n := range []int{100, 100_000} {
			b.Run(fmt.Sprintf("%s/%d", how, n), func(b *testing.B) {
				some := n
				if how == "list per item" {
					some = min(n, 20)
				}
				var took time.Duration
				for b.Loop() {
					b.StopTimer()
					s := zktest.Open(b).Session(b)
					fill(b, texts(s), n)
					b.StartTimer()
					start := time.Now()
					drains[how](b, s, some)
					took += time.Since(start)
				}
				b.ReportMetric(float64(took.Microseconds())/float64(some*b.N), "µs/item")
			})
		}
	}
}

// BenchmarkPush pushes alone, in batches, and from many goroutines.
func BenchmarkPush(b *testing.B) {
	b.Run("Push", func(b *testing.B) {
		q := texts(zktest.Open(b).Session(b))
		for b.Loop() {
			mustPush(b, q, "x")
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "items/s")
	})
	b.Run("PushAll", func(b *testing.B) {
		q := texts(zktest.Open(b).Session(b))
		for b.Loop() {
			fill(b, q, 1000)
		}
		b.ReportMetric(1000*float64(b.N)/b.Elapsed().Seconds(), "items/s")
	})
	b.Run("Push of 16", func(b *testing.B) {
		q := texts(zktest.Open(b).Session(b))
		for b.Loop() {
			var all sync.WaitGroup
			for range 16 {
				all.Go(func() { mustPush(b, q, "x") })
			}
			all.Wait()
		}
		b.ReportMetric(16*float64(b.N)/b.Elapsed().Seconds(), "items/s")
	})
}

// BenchmarkConsumers drains a queue with several consumers, each in a separate
// session, and reports the number of requests for an item.
func BenchmarkConsumers(b *testing.B) {
	for _, n := range []int{1, 2, 8} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			const items = 4000
			for b.Loop() {
				b.StopTimer()
				target := zktest.Open(b)
				fill(b, texts(target.Session(b)), items)
				var qs []*queue.Queue[string]
				for range n {
					qs = append(qs, texts(target.Session(b)))
				}
				if target.Server != nil {
					target.Server.ResetRequests()
				}
				b.StartTimer()
				start := time.Now()
				var all sync.WaitGroup
				for _, q := range qs {
					all.Go(func() {
						for {
							if _, err := q.TryPop(b.Context()); err != nil {
								return
							}
						}
					})
				}
				all.Wait()
				b.ReportMetric(float64(time.Since(start).Microseconds())/items, "µs/item")
				if target.Server != nil {
					b.ReportMetric(float64(len(target.Server.Requests()))/items, "requests/item")
				}
			}
		})
	}
}
