package keyed

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// A lock of one key does not block another key, and a wait ends with its context.
func TestMutex(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m Mutex
		ctx := t.Context()
		if err := errors.Join(m.Lock(ctx, "a"), m.Lock(ctx, "b")); err != nil {
			t.Fatal(err)
		}
		cause := errors.New("enough")
		short, cancel := context.WithCancelCause(ctx)
		ended := make(chan error)
		go func() { ended <- m.Lock(short, "a") }()
		go func() { ended <- m.Lock(ctx, "b") }()
		synctest.Wait()
		cancel(cause)
		if err := <-ended; err != cause {
			t.Errorf("the wait for a ends with %v", err)
		}
		m.Unlock("b")
		if err := <-ended; err != nil {
			t.Errorf("the wait for b ends with %v", err)
		}
		m.Unlock("a")
		m.Unlock("b")
		if err := m.Lock(ctx, "a"); err != nil {
			t.Error(err)
		}
	})
}
