package lock_test

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// BenchmarkWaiters lets 10,000 goroutines wait for one lock on one session. It reports
// the memory of each, its stack included, and how long it takes until all have held
// the lock.
func BenchmarkWaiters(b *testing.B) {
	const n = 10_000
	for b.Loop() {
		s := zktest.Open(b).Session(b)
		m := lock.New(s, path)
		holder := mustLock(b, m)
		before := memory()
		var all sync.WaitGroup
		start := time.Now()
		for range n {
			all.Go(func() { mustUnlock(b, mustLock(b, m)) })
		}
		for st, _, err := s.Exists(b.Context(), path); st.NumChildren <= n; st, _, err = s.Exists(b.Context(), path) {
			if err != nil {
				b.Fatal(err)
			}
			runtime.Gosched()
		}
		b.ReportMetric(time.Since(start).Seconds(), "s/line-up")
		b.ReportMetric(float64(memory()-before)/n, "B/waiter")
		start = time.Now()
		if err := holder.Unlock(context.Background()); err != nil {
			b.Fatal(err)
		}
		all.Wait()
		b.ReportMetric(n/time.Since(start).Seconds(), "hand-offs/s")
	}
}

func memory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapInuse + m.StackInuse
}
