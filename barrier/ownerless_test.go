package barrier_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A member that leaves a round with an ownerless member, or enters the next one, is
// reported as blocked.
func TestWaitForOwnerlessMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := make(chan error, 10)
		s := zktest.New(t).Session(t, session.WithHooks(session.Hooks{Blocked: func(err error) { told <- err }}))
		node := "/barrier/" + session.GUID()
		if _, _, err := s.Create(t.Context(), node, nil, session.Parents()); err != nil {
			t.Fatal(err)
		}
		d := barrier.NewDouble(s, "/barrier", 2)
		entry, err := d.Enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		fails := func(name string, wait func(context.Context) error) {
			ctx, cancel := context.WithCancel(t.Context())
			failed := make(chan error)
			go func() { failed <- wait(ctx) }()
			synctest.Wait()
			cancel()
			if err := <-failed; !errors.Is(err, context.Canceled) || !errors.Is(err, session.ErrNoOwner) {
				t.Errorf("%s: %v", name, err)
			}
		}
		fails("Leave", entry.Leave)
		fails("Enter", func(ctx context.Context) error { _, err := d.Enter(ctx); return err })
		if len(told) != 1 {
			t.Errorf("the hook was called %d times", len(told))
		}
	})
}
