package lock_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// If a call's context ends because another session has expired, the call returns that
// cause, and does not take it for the end of its own session.
func TestContextThatEndsWithALease(t *testing.T) {
	synctest.Test(t, endsWithALease)
}

func endsWithALease(t *testing.T) {
	s := zktest.New(t).Session(t)
	m, rw, sem := lock.New(s, path), lock.NewRW(s, "/app/rw"), lock.NewSemaphore(s, permits, 1)
	multi := lock.NewMulti(s, several3)
	holders := []*lock.Lease{take(t, m.Lock), take(t, rw.Lock), take(t, sem.Acquire)}
	place := enter(t, m.Enter)
	calls := map[string]func(context.Context) error{
		"Lock":       func(ctx context.Context) error { _, err := m.Lock(ctx); return err },
		"TryLock":    func(ctx context.Context) error { _, err := m.TryLock(ctx); return err },
		"Contenders": func(ctx context.Context) error { _, err := m.Contenders(ctx); return err },
		"Revoke":     func(ctx context.Context) error { return m.Revoke(ctx) },
		"RLock":      func(ctx context.Context) error { _, err := rw.RLock(ctx); return err },
		"Acquire":    func(ctx context.Context) error { _, err := sem.Acquire(ctx); return err },
		"TryAcquire": func(ctx context.Context) error { _, err := sem.TryAcquire(ctx); return err },
		"Remaining":  func(ctx context.Context) error { _, err := sem.Remaining(ctx); return err },
		"Holders":    func(ctx context.Context) error { _, err := sem.Holders(ctx); return err },
		"Multi":      func(ctx context.Context) error { _, err := multi.Lock(ctx); return err },
		"Enter":      func(ctx context.Context) error { _, err := rw.Enter(ctx); return err },
		"Place.Lock": func(ctx context.Context) error { _, err := place.Lock(ctx); return err },
		"Position":   func(ctx context.Context) error { _, err := place.Position(ctx); return err },
	}
	waiting := []string{"Lock", "RLock", "Acquire", "Multi", "Place.Lock"}
	for name, call := range calls {
		for _, after := range []time.Duration{0, time.Second} {
			if after > 0 && !slices.Contains(waiting, name) {
				continue
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			end := func() { cancel(fmt.Errorf("%w: %w", lock.ErrLost, session.ErrExpired)) }
			if after == 0 {
				end()
			}
			time.AfterFunc(after, end)
			start := time.Now()
			if err := call(ctx); !errors.Is(err, session.ErrExpired) || time.Since(start) != after {
				t.Errorf("%s with a context that ends after %v returned %v after %v", name, after, err, time.Since(start))
			}
			end()
		}
	}
	leave(t, place)
	for _, l := range holders {
		mustUnlock(t, l)
	}
}
