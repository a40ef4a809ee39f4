package main

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Every recipe is recognized by the nodes that the library makes for it.
func TestRecognize(t *testing.T) {
	push := func(opts ...queue.Option) func(context.Context, *session.Session, string) error {
		return func(ctx context.Context, s *session.Session, path string) error {
			_, err := queue.New(s, path, codec.Text(), opts...).Push(ctx, "x")
			return err
		}
	}
	for want, use := range map[recipe]func(context.Context, *session.Session, string) error{
		recipeLock: func(ctx context.Context, s *session.Session, path string) error {
			_, err := lock.New(s, path).Lock(ctx)
			return err
		},
		recipeElection: func(ctx context.Context, s *session.Session, path string) error {
			_, err := election.New(s, path).Campaign(ctx)
			return err
		},
		recipeSemaphore: func(ctx context.Context, s *session.Session, path string) error {
			_, err := lock.NewSemaphore(s, path, 2).Acquire(ctx)
			return err
		},
		recipeDoubleBarrier: func(ctx context.Context, s *session.Session, path string) error {
			_, err := barrier.NewDouble(s, path, 1).Enter(ctx)
			return err
		},
		recipeQueue:         push(),
		recipeCuratorQueue:  push(queue.WithLayout(queue.Curator)),
		recipePriorityQueue: push(queue.WithLayout(queue.CuratorPriority)),
		recipeDelayQueue:    push(queue.WithLayout(queue.CuratorDelay)),
		recipeSimpleQueue:   push(queue.WithLayout(queue.CuratorSimple)),
		recipeKazooQueue:    push(queue.WithLayout(queue.Kazoo)),
		recipeLockingQueue: func(ctx context.Context, s *session.Session, path string) error {
			q := queue.New(s, path, codec.Text(), queue.WithLayout(queue.KazooLocking))
			_, err := q.Push(ctx, "x")
			if err == nil {
				_, err = q.Claim(ctx)
			}
			return err
		},
		recipeTaskPool: func(ctx context.Context, s *session.Session, path string) error {
			_, err := tasks.New(s, path, codec.Text(), codec.Text()).Submit(ctx, "x")
			return err
		},
		recipeSlots: func(ctx context.Context, s *session.Session, path string) error {
			if _, err := naming.NewSlots(s, path, 1).Acquire(ctx); err != nil {
				return err
			}
			go naming.NewSlots(s, path, 1).Acquire(ctx) // waits
			synctest.Wait()
			return nil
		},
		recipeParty: func(ctx context.Context, s *session.Session, path string) error {
			_, err := membership.New(s, path, membership.WithLayout(membership.KazooParty)).Join(ctx, "a", nil)
			return err
		},
	} {
		t.Run(string(want), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := zktest.New(t).Session(t)
				if err := use(t.Context(), s, "/app"); err != nil {
					t.Fatal(err)
				}
				data, _, err := s.Get(t.Context(), "/app")
				if err != nil {
					t.Fatal(err)
				}
				names, _, err := s.Children(t.Context(), "/app")
				if err != nil {
					t.Fatal(err)
				}
				if got := recognize(data, names); !slices.Equal(got, []recipe{want}) {
					t.Errorf("%q is recognized as %q", names, got)
				}
			})
		})
	}
}

// Names that other libraries use for these recipes are recognized as well. Names that
// are only similar are not.
func TestRecognizeOthers(t *testing.T) {
	for _, test := range []struct {
		children []string
		want     recipe
	}{
		{[]string{"_c_0a__WRIT__0000000001"}, recipeLock},
		{[]string{"0a__rlock__0000000001"}, recipeLock},
		{[]string{"x-lock--2147483648"}, recipeLock},
		{[]string{"queue-0000000001-1"}, recipeCuratorQueue},
		{[]string{"items", "claims", "dead"}, recipeQueue},
		{[]string{"tasks", "workers", "assign", "master"}, recipeTaskPool},
		{[]string{"items", "color"}, ""},
		{[]string{"tasks", "workers", "assign", "zookeeper"}, ""},
		{[]string{"a", "b-lock", "1", "lock-1"}, ""},
		{nil, ""},
	} {
		got := recognize(nil, test.children)
		if test.want == "" && len(got) > 0 || test.want != "" && !slices.Equal(got, []recipe{test.want}) {
			t.Errorf("%q is recognized as %q", test.children, got)
		}
	}
}
