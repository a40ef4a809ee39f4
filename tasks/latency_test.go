package tasks_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/zktest"
)

// A worker that does one task after the other is not kept waiting between them, and
// neither are those who wait for them.
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
