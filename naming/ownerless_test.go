package naming_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A wait for a number whose node no session owns says so.
func TestWaitForOwnerlessSlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := make(chan error, 10)
		s := zktest.New(t).Session(t, session.WithHooks(session.Hooks{Blocked: func(err error) { told <- err }}))
		if _, _, err := s.Create(t.Context(), "/slots/0", nil, session.Parents()); err != nil {
			t.Fatal(err)
		}
		p := naming.NewSlots(s, "/slots", 1)
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() {
			_, err := p.Acquire(ctx)
			failed <- err
		}()
		synctest.Wait()
		if len(told) != 1 {
			t.Errorf("the hook was called %d times", len(told))
		}
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) || !errors.Is(err, session.ErrNoOwner) {
			t.Errorf("Acquire: %v", err)
		}
		if err := s.Break(t.Context(), "/slots/0", 0); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Acquire(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
