package queue_test

import (
	"context"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A single consumer gets the items in order, whatever happens to its requests: it gets no
// item before all earlier ones. It may get an item again.
func TestSingleConsumerUnderFaults(t *testing.T) {
	for seed := range 30 * *seeds {
		synctest.Test(t, func(t *testing.T) {
			srv := zktest.New(t)
			rng := rand.New(rand.NewPCG(seed, 2))
			var mu sync.Mutex
			roll := func(n int) int {
				mu.Lock()
				defer mu.Unlock()
				return rng.IntN(n)
			}
			ours := srv.Session(t)
			producer, consumer := texts(ours), texts(srv.Session(t))
			faults := []zktest.Fault{zktest.DropReply, zktest.Refuse, zktest.Cut, zktest.ExpireAfter, zktest.ExpireBefore}
			defer srv.Fault(faulttable.Limit(func(r zktest.Request) zktest.Fault {
				if roll(10) == 0 && r.Op != "connect" && r.Session != ours.Status().ID {
					return faults[roll(len(faults))]
				}
				return zktest.Pass
			}))()
			const n = 100
			go func() {
				for next := 0; next < n; {
					var vs []string
					for range 1 + roll(3) {
						vs = append(vs, strconv.Itoa(next))
						next++
					}
					if _, err := producer.PushAll(t.Context(), vs); err != nil {
						t.Error(err)
					}
					time.Sleep(time.Duration(roll(20)) * time.Millisecond)
				}
			}()
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			acks := make(chan struct{}, 1) // one is in flight while the next item is claimed
			for first := 0; first < n; {
				item, err := consumer.Claim(ctx)
				if err != nil {
					if ctx.Err() != nil {
						t.Fatalf("seed %d: %v, after %d", seed, err, first-1)
					}
					continue
				}
				got, err := strconv.Atoi(item.Value)
				if err != nil || got > first {
					t.Fatalf("seed %d: got %q before %d", seed, item.Value, first)
				}
				first = max(first, got+1)
				acks <- struct{}{}
				go func() {
					item.Ack(ctx)
					<-acks
				}()
			}
			acks <- struct{}{}
		})
	}
}
