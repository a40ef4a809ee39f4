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

// A consumer that waits for an item whose claim is an ownerless node reports this,
// and gets the item when the claim has been deleted. A claim that a session owns is
// not reported.
func TestWaitForOwnerlessClaim(t *testing.T) {
	for name, wait := range map[string]func(*queue.Queue[string], context.Context) error{
		"Claim": func(q *queue.Queue[string], ctx context.Context) error { _, err := q.Claim(ctx); return err },
		"Pop":   func(q *queue.Queue[string], ctx context.Context) error { _, err := q.Pop(ctx); return err },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				reported := make(chan error, 10)
				s := srv.Session(t, session.WithHooks(session.Hooks{Blocked: func(err error) { reported <- err }}))
				q, other := texts(s), texts(srv.Session(t))
				mustPush(t, q, "x")
				item := mustClaim(t, other, "x")
				if err := wait(q, testkit.Within(t, time.Minute)); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, session.ErrNoOwner) || len(reported) > 0 {
					t.Errorf("behind a claim with an owner: %v, reported %d times", err, len(reported))
				}
				mustNack(t, item)

				names, _, err := s.Children(t.Context(), path+"/items")
				if err != nil {
					t.Fatal(err)
				}
				node := path + "/claims/" + names[0]
				if _, _, err := s.Create(t.Context(), node, nil, session.Parents()); err != nil { // the servers may have removed the container
					t.Fatal(err)
				}
				if err := wait(q, testkit.Within(t, time.Minute)); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, session.ErrNoOwner) {
					t.Errorf("behind a claim without: %v", err)
				}
				if len(reported) != 1 {
					t.Errorf("the hook was called %d times", len(reported))
				}
				got := make(chan error)
				go func() { got <- wait(q, testkit.Soon(t)) }()
				synctest.Wait()
				if err := s.Break(t.Context(), node, 0); err != nil {
					t.Fatal(err)
				}
				if err := <-got; err != nil {
					t.Error(err)
				}
			})
		})
	}
}
