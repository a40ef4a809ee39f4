package barrier_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A member whose function succeeds waits for the other members. A member whose function
// fails, or whose ctx ends, leaves at once.
func TestDoLeaves(t *testing.T) {
	failed, enough := errors.New("failed"), errors.New("enough")
	tests := map[string]struct {
		fn    func(cancel context.CancelCauseFunc) error
		waits bool
		want  error
	}{
		"success":               {func(context.CancelCauseFunc) error { return nil }, true, nil},
		"failure":               {func(context.CancelCauseFunc) error { return failed }, false, failed},
		"ctx has ended":         {func(cancel context.CancelCauseFunc) error { cancel(enough); return nil }, false, enough},
		"failure, and it ended": {func(cancel context.CancelCauseFunc) error { cancel(enough); return failed }, false, failed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				other := member(t.Context(), srv.Session(t), 2)
				ctx, cancel := context.WithCancelCause(t.Context())
				defer cancel(nil)
				ended := make(chan error, 1)
				s := srv.Session(t)
				go func() {
					ended <- barrier.NewDouble(s, path, 2).Do(ctx, func(context.Context, *barrier.Entry) error { return tt.fn(cancel) })
				}()
				entry := in(t, other)
				synctest.Wait()
				select {
				case err := <-ended:
					if tt.waits || !errors.Is(err, tt.want) {
						t.Errorf("Do: %v while the other member is in the round", err)
					}
				default:
					if !tt.waits {
						t.Error("Do waits for the other member")
					}
				}
				out(t, entry)
				if tt.waits {
					if err := <-ended; err != tt.want {
						t.Errorf("Do: %v", err)
					}
				}
				empty(t, srv)
			})
		})
	}
}

// If ctx ends while Do waits for the other members to leave, the error wraps its cause.
func TestDoCanceledWhileLeaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		other := member(t.Context(), srv.Session(t), 2)
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error, 1)
		s := srv.Session(t)
		go func() {
			ended <- barrier.NewDouble(s, path, 2).Do(ctx, func(context.Context, *barrier.Entry) error { return nil })
		}()
		entry := in(t, other)
		synctest.Wait()
		cancel(enough)
		if err := <-ended; !errors.Is(err, enough) {
			t.Errorf("Do: %v", err)
		}
		out(t, entry)
		empty(t, srv)
	})
}
