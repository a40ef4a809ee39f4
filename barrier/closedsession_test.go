package barrier_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A barrier stays up after the session that raised it was closed.
func TestBarrierOutlivesItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		a, b := srv.Session(t), srv.Session(t)
		if err := barrier.New(a, path).Raise(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := a.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if up, err := barrier.New(b, path).Raised(t.Context()); err != nil || !up {
			t.Errorf("raised: %v (%v)", up, err)
		}
	})
}

// A CountDown counts after the session of its process was closed.
func TestLatchOutlivesItsSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithTick(tick))
		for range 2 {
			s := srv.Session(t)
			countDown(t, barrier.NewLatch(s, latchPath, 3))
			if err := s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Hour)
		wantCount(t, barrier.NewLatch(srv.Session(t), latchPath, 3), 1)
	})
}
