package tasks_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/zktest"
)

// Neither a worker that runs one task after the other nor the clients that wait for
// the results are delayed between tasks.
func TestOneTaskAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		p := texts(srv.Session(t))
		defer leading(t, texts(srv.Session(t)))()
		defer working(t, texts(srv.Session(t)), "w1", echo)()
		wants(t, submit(t, p, "first"), "first!")
		const n = 50
		began := time.Now()
		for range n {
			wants(t, submit(t, p, "x"), "x!")
		}
		if d := time.Since(began); d > n*10*time.Millisecond {
			t.Errorf("%d tasks took %v", n, d)
		}
	})
}
