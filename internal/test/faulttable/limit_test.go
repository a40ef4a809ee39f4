package faulttable_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// No request is rejected, however often the connection is closed.
func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		rng := rand.New(rand.NewPCG(1, 1))
		var mu sync.Mutex
		faults := 0
		stop := srv.Fault(faulttable.Limit(func(r zktest.Request) zktest.Fault {
			mu.Lock()
			defer mu.Unlock()
			if r.Op == "connect" || rng.IntN(2) == 0 {
				return zktest.Pass
			}
			faults++
			return []zktest.Fault{zktest.DropReply, zktest.Refuse, zktest.Cut}[rng.IntN(3)]
		}))
		defer stop()
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				for range 2000 {
					if _, _, err := s.Children(t.Context(), "/"); err != nil {
						t.Error(err)
					}
				}
			})
		}
		readers.Wait()
		if faults < 100 {
			t.Errorf("%d faults", faults)
		}
	})
}
