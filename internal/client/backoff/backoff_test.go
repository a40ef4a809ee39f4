package backoff_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
)

func TestPausesDouble(t *testing.T) {
	b := backoff.New(time.Second, 5*time.Second, 0)
	for range 2 {
		for _, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 5 * time.Second, 5 * time.Second} {
			if got := b.Next(); got != want {
				t.Errorf("pause of %v, want %v", got, want)
			}
		}
		b.Reset()
	}
}

func TestJitter(t *testing.T) {
	shortest, longest := time.Hour, time.Duration(0)
	for range 1000 {
		d := backoff.New(time.Second, time.Minute, 0.5).Next()
		shortest, longest = min(shortest, d), max(longest, d)
	}
	if shortest < time.Second/2 || shortest > 600*time.Millisecond || longest > 1501*time.Millisecond || longest < 1400*time.Millisecond {
		t.Errorf("pauses from %v to %v", shortest, longest)
	}
}

func TestDoubling(t *testing.T) {
	pause := backoff.Doubling(time.Second, 3*time.Second)
	for attempt, want := range map[int]time.Duration{1: time.Second, 2: 2 * time.Second, 3: 3 * time.Second, 1 << 40: 3 * time.Second} {
		if got := pause(attempt); got != want {
			t.Errorf("pause %d is %v, want %v", attempt, got, want)
		}
	}
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cause := errors.New("cause")
		ctx, cancel := context.WithCancelCause(t.Context())
		began := time.Now()
		if err := backoff.Sleep(time.Second, ctx, t.Context()); err != nil || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		time.AfterFunc(time.Second, func() { cancel(cause) })
		began = time.Now()
		if err := backoff.Sleep(time.Hour, t.Context(), ctx); err != cause || time.Since(began) != time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if err := backoff.New(time.Hour, time.Hour, 0).Wait(ctx); err != cause {
			t.Errorf("Wait returned %v", err)
		}
	})
}
