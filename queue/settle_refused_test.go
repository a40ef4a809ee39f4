package queue_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// An item that the server refuses to settle stays claimed, and may be settled
// later. Nothing goes on in the background meanwhile.
func TestSettleRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		settle func(context.Context, *queue.Item[string]) error
		left   string
	}{
		"Ack":  {func(ctx context.Context, i *queue.Item[string]) error { return i.Ack(ctx) }, ""},
		"Nack": {func(ctx context.Context, i *queue.Item[string]) error { return i.Nack(ctx) }, "a"},
		"Bury": {func(ctx context.Context, i *queue.Item[string]) error { return i.Bury(ctx, errors.New("bad")) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				s, other := srv.Session(t), srv.Session(t)
				q := texts(s)
				mustPush(t, q, "a")
				item := mustClaim(t, q, "a")
				allow := testkit.ForbidDelete(t, other, path+"/claims")
				for range 2 {
					if err := tt.settle(t.Context(), item); !errors.Is(err, session.ErrNoAuth) {
						t.Errorf("refused: %v", err)
					}
					if err := item.Err(); err != nil {
						t.Errorf("the item is not claimed any more: %v", err)
					}
				}
				synctest.Wait()
				srv.ResetRequests()
				time.Sleep(10 * time.Minute)
				for _, r := range srv.Requests() {
					if r.Op != "multi" && r.Op != "ping" { // proofs
						t.Errorf("%s %s in the background", r.Op, r.Path)
					}
				}
				if got := contents(t, texts(other)); got != "a(claimed)" {
					t.Errorf("in the queue: %s", got)
				}
				allow()
				if err := tt.settle(t.Context(), item); err != nil {
					t.Errorf("allowed: %v", err)
				}
				if err := tt.settle(t.Context(), item); !errors.Is(err, queue.ErrSettled) {
					t.Errorf("a second time: %v", err)
				}
				if got := contents(t, texts(other)); got != tt.left {
					t.Errorf("in the queue: %s", got)
				}
			})
		})
	}
}

// Consume ends with the refusal, and holds no claim then that it can give up.
func TestConsumeSettleRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, other := srv.Session(t), srv.Session(t)
		q := texts(s)
		mustPush(t, q, "a")
		var allow func()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := q.Consume(ctx, func(context.Context, *queue.Item[string]) error {
			allow = testkit.ForbidDelete(t, other, path+"/claims")
			return nil
		})
		if !errors.Is(err, session.ErrNoAuth) {
			t.Errorf("Consume: %v", err)
		}
		allow()
		time.Sleep(testkit.LongestRefusal)
		if got := contents(t, texts(other)); got != "a" {
			t.Errorf("in the queue: %s", got)
		}
	})
}
