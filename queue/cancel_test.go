package queue_test

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// waits returns the calls that wait, none of which has anything to return.
func waits(q *queue.Queue[string]) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"Pop":   func(ctx context.Context) error { _, err := q.Pop(ctx); return err },
		"PopN":  func(ctx context.Context) error { _, err := q.PopN(ctx, 3); return err },
		"Claim": func(ctx context.Context) error { _, err := q.Claim(ctx); return err },
		"Consume": func(ctx context.Context) error {
			err := q.Consume(ctx, func(context.Context, *queue.Item[string]) error { return nil })
			return cmp.Or(err, context.Cause(ctx))
		},
	}
}

// Curator's fault 3.24: every wait that times out leaves a watch on the server.
func TestTimedOutWaitsLeaveNothing(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	q := texts(s)
	mustPush(t, q, "x")
	mustAck(t, mustClaim(t, q, "x")) // there are folders, and nothing to take
	if _, err := q.Push(t.Context(), "later", queue.WithNotBefore(time.Now().Add(time.Hour))); err != nil {
		t.Fatal(err)
	}
	before := goleak.IgnoreCurrent()
	for name, wait := range waits(q) {
		var all sync.WaitGroup
		for i := range 200 {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*20*time.Microsecond)
				defer cancel()
				if err := wait(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, session.ErrUnknown) {
					t.Errorf("%s: %v", name, err)
				}
			})
			if i%2 == 0 {
				all.Wait() // some one after the other, some together
			}
		}
		all.Wait()
	}
	goleak.VerifyNone(t, before)
	testkit.NoWatches(t, target, s)
}

type textQueue = *queue.Queue[string]

// Every call is canceled at every point at which it waits: each request takes a
// millisecond. As long as the session lives, the items are where they were or where
// they should be, and nothing else is left.
func TestCanceledAtEveryPoint(t *testing.T) {
	claimed := func(t *testing.T, q textQueue) *queue.Item[string] { return mustClaim(t, q, "a") }
	for _, tt := range []struct {
		name string
		call func(*testing.T, context.Context, textQueue) error
		done string // what is in the queue afterwards, where there were a, b and c
		both bool   // it may be so, too, when the call has failed
	}{
		{"Push", func(t *testing.T, ctx context.Context, q textQueue) error { _, err := q.Push(ctx, "d"); return err }, "a b c d", true},
		{"Pop", func(t *testing.T, ctx context.Context, q textQueue) error { _, err := q.Pop(ctx); return err }, "b c", false},
		{"PopN", func(t *testing.T, ctx context.Context, q textQueue) error { _, err := q.PopN(ctx, 2); return err }, "c", false},
		{"Peek", func(t *testing.T, ctx context.Context, q textQueue) error { _, err := q.Peek(ctx); return err }, "a b c", false},
		{"Claim", func(t *testing.T, ctx context.Context, q textQueue) error {
			item, err := q.Claim(ctx)
			if err == nil {
				mustNack(t, item)
			}
			return err
		}, "a b c", false},
		{"Ack", func(t *testing.T, ctx context.Context, q textQueue) error { return claimed(t, q).Ack(ctx) }, "b c", true},
		{"Nack", func(t *testing.T, ctx context.Context, q textQueue) error { return claimed(t, q).Nack(ctx) }, "a b c", false},
		{"Bury", func(t *testing.T, ctx context.Context, q textQueue) error {
			return claimed(t, q).Bury(ctx, errors.New("reason"))
		}, "b c", true},
		{"Requeue", func(t *testing.T, ctx context.Context, q textQueue) error {
			item := claimed(t, q)
			if err := item.Bury(testkit.Soon(t), errors.New("reason")); err != nil {
				t.Fatal(err)
			}
			err := q.Requeue(ctx, item.ID)
			q.Requeue(testkit.Soon(t), item.ID) // if it has not been
			return err
		}, "b c a", true},
		{"Consume", func(t *testing.T, ctx context.Context, q textQueue) error {
			err := q.Consume(ctx, func(context.Context, *queue.Item[string]) error { return errors.New("not done") })
			return cmp.Or(err, context.Cause(ctx))
		}, "a b c", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for ms := range 20 {
				synctest.Test(t, func(t *testing.T) {
					srv := zktest.New(t)
					q := texts(srv.Session(t))
					mustPush(t, q, "a", "b", "c")
					mustNack(t, mustClaim(t, q, "a"))
					srv.Inject(zktest.Rule{Delay: time.Millisecond})
					ctx, cancel := context.WithCancel(t.Context())
					time.AfterFunc(time.Duration(ms)*time.Millisecond+time.Millisecond/2, cancel)
					err := tt.call(t, ctx, q)
					cancel()
					time.Sleep(time.Minute)
					got := contents(t, q)
					if ok := got == tt.done && (err == nil || tt.both) || got == "a b c" && err != nil; !ok {
						t.Errorf("after %d ms: %v; in the queue: %s", ms, err, got)
					}
					for line := range strings.Lines(srv.Tree()) {
						if strings.Contains(line, " ephemeral ") && !strings.HasPrefix(line, session.DefaultReceipts) {
							t.Errorf("after %d ms there is left: %s", ms, line)
						}
					}
					if w := srv.Watches(); len(w) > 0 {
						t.Errorf("after %d ms there are left: %v", ms, w)
					}
				})
			}
		})
	}
}
