package tasks_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A Release whose context has ended still gives the task back.
func TestReleaseWithEndedContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		leading(t, texts(srv.Session(t)))
		calls := 0
		working(t, texts(srv.Session(t)), "w", func(ctx context.Context, k task) (string, error) {
			if calls++; calls == 1 {
				ended, cancel := context.WithCancel(ctx)
				cancel()
				if err := k.Release(ended); err != nil && !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				return "ignored", nil
			}
			if k.Attempt != 1 {
				t.Errorf("attempt %d", k.Attempt)
			}
			return "done", nil
		})
		k := submit(t, texts(srv.Session(t)), "x")
		if got, err := k.Wait(testkit.Soon(t)); got != "done" || err != nil {
			t.Errorf("the result is %q, %v", got, err)
		}
	})
}

// A Release that the servers refuse leaves the task to another attempt of the worker.
func TestReleaseRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		leading(t, texts(srv.Session(t)))
		other := srv.Session(t)
		set := func(perms session.Perm) {
			acl := []session.ACL{{Perms: perms, Scheme: "world", ID: "anyone"}}
			if _, err := other.SetACL(t.Context(), path+"/assign/w", acl, session.AnyVersion); err != nil {
				t.Error(err)
			}
		}
		calls := 0
		p := texts(srv.Session(t), tasks.WithMaxAttempts(100))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() {
			ended <- p.Work(ctx, "w", func(ctx context.Context, k task) (string, error) {
				if calls++; calls == 1 {
					set(session.PermAll &^ session.PermDelete)
					defer set(session.PermAll)
					if err := k.Release(ctx); !errors.Is(err, session.ErrNoAuth) {
						t.Errorf("Release: %v", err)
					}
				}
				return "done", nil
			})
		}()
		k := submit(t, texts(srv.Session(t)), "x")
		select {
		case err := <-ended: // ErrNoAuth ends Work; the task is not lost
			if !errors.Is(err, session.ErrNoAuth) {
				t.Fatalf("Work: %v", err)
			}
			working(t, p, "w", func(context.Context, task) (string, error) { return "done", nil })
		case <-ctx.Done():
		}
		if got, err := k.Wait(testkit.Soon(t)); got != "done" || err != nil {
			t.Errorf("the result is %q, %v", got, err)
		}
	})
}
