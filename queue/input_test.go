package queue_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A request that the layout does not support is refused before anything is sent.
func TestUnsupported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		synctest.Wait()
		srv.ResetRequests()
		priorities := map[queue.Layout]bool{queue.Native: true, queue.CuratorPriority: true, queue.Kazoo: true, queue.KazooLocking: true}
		delays := map[queue.Layout]bool{queue.Native: true, queue.CuratorDelay: true}
		claims := map[queue.Layout]bool{queue.Native: true, queue.KazooLocking: true}
		locks := map[queue.Layout]bool{queue.Curator: true, queue.CuratorPriority: true, queue.CuratorDelay: true}
		for _, l := range allLayouts {
			q := texts(s, queue.WithLayout(l))
			if !priorities[l] {
				_, err := q.Push(t.Context(), "x", queue.WithPriority(0))
				testkit.WantError(t, err, queue.ErrUnsupported)
			}
			if !delays[l] {
				_, err := q.PushAll(t.Context(), []string{"x"}, queue.WithNotBefore(time.Now()))
				testkit.WantError(t, err, queue.ErrUnsupported)
			}
			if !claims[l] {
				_, err := q.Claim(t.Context())
				testkit.WantError(t, err, queue.ErrUnsupported)
				_, err = q.TryClaim(t.Context())
				testkit.WantError(t, err, queue.ErrUnsupported)
				err = q.Consume(t.Context(), func(context.Context, *queue.Item[string]) error { return nil })
				testkit.WantError(t, err, queue.ErrUnsupported)
			}
			if !locks[l] {
				_, err := texts(s, queue.WithLayout(l), queue.WithLockPath("/locks")).Pop(t.Context())
				testkit.WantError(t, err, queue.ErrUnsupported)
			}
			if l != queue.CuratorSimple {
				_, err := texts(s, queue.WithLayout(l), queue.WithPrefix("x")).Len(t.Context())
				testkit.WantError(t, err, queue.ErrUnsupported)
			}
		}
		if r := srv.Requests(); len(r) > 0 {
			t.Errorf("requests were made: %v", r)
		}
	})
}

func TestBadInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		synctest.Wait()
		srv.ResetRequests()
		nothing := func(context.Context, *queue.Item[string]) error { return nil }
		ctx := t.Context()
		pushed := func(_ string, err error) error { return err }
		popped := func(_ []string, err error) error { return err }
		for name, err := range map[string]error{
			"too large":          pushed(texts(s).Push(ctx, strings.Repeat("x", 1<<20))),
			"a little too large": pushed(texts(s).Push(ctx, strings.Repeat("x", maxSize+1))),
			"none":               popped(texts(s).PopN(ctx, 0)),
			"less than none":     popped(texts(s).TryPopN(ctx, -1)),
			"no concurrency":     texts(s).Consume(ctx, nothing, queue.WithConcurrency(0)),
			"less than that":     texts(s).Consume(ctx, nothing, queue.WithConcurrency(-1)),
			"no function":        texts(s).Consume(ctx, nil),
			"no attempts":        texts(s).Consume(ctx, nothing, queue.WithMaxAttempts(0)),
			"no length":          pushed(texts(s, queue.WithMaxLen(0)).Push(ctx, "x")),
			"negative length":    pushed(texts(s, queue.WithMaxLen(-1)).Push(ctx, "x")),
			"unknown layout":     pushed(texts(s, queue.WithLayout(99)).Push(ctx, "x")),
			"relative path":      pushed(queue.New(s, "queue", codec.Text()).Push(ctx, "x")),
			"no path":            pushed(queue.New(s, "", codec.Text()).Push(ctx, "x")),
			"bad lock path":      pushed(texts(s, queue.WithLayout(queue.Curator), queue.WithLockPath("locks")).Push(ctx, "x")),
			"bad dead path":      pushed(texts(s, queue.WithDeadLetters("dead/")).Push(ctx, "x")),
			"bad prefix":         pushed(texts(s, queue.WithLayout(queue.CuratorSimple), queue.WithPrefix("a/b")).Push(ctx, "x")),
			"priority":           pushed(texts(s).Push(ctx, "x", queue.WithPriority(math.MaxInt))),
			"kazoo's priority":   pushed(texts(s, queue.WithLayout(queue.Kazoo)).Push(ctx, "x", queue.WithPriority(1000))),
			"negative priority":  pushed(texts(s, queue.WithLayout(queue.Kazoo)).Push(ctx, "x", queue.WithPriority(-1))),
			"far future":         pushed(texts(s).Push(ctx, "x", queue.WithNotBefore(time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)))),
		} {
			var oe *session.OpError
			if !errors.Is(err, session.ErrInvalid) || !errors.As(err, &oe) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := texts(s).Push(ctx, "\xff"); !errors.Is(err, codec.ErrMalformed) {
			t.Errorf("what cannot be encoded: %v", err)
		}
		bad := queue.New(s, "x", codec.Text())
		for _, err := range bad.All(ctx) {
			testkit.WantError(t, err, session.ErrInvalid)
		}
		for _, err := range bad.DeadLetters(ctx) {
			testkit.WantError(t, err, session.ErrInvalid)
		}
		testkit.WantError(t, bad.Requeue(ctx, "x"), session.ErrInvalid)
		_, err := bad.Peek(ctx)
		testkit.WantError(t, err, session.ErrInvalid)
		if r := srv.Requests(); len(r) > 0 {
			t.Errorf("requests were made: %v", r)
		}
	})
}

// Curator's fault 3.16: foreign nodes block the queue. Here they are skipped,
// wherever they are.
func TestForeignNodes(t *testing.T) {
	for _, l := range allLayouts {
		t.Run(l.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := zktest.New(t).Session(t)
				opts := []queue.Option{queue.WithLayout(l)}
				q := texts(s, opts...)
				for _, dir := range []string{"", "/items", "/claims", "/dead", "/entries", "/taken"} {
					for _, name := range []string{"0", "queue", "lost+found", "ünïcode", "queue-x", "entry-", "qn-1"} {
						if _, _, err := s.Create(t.Context(), path+dir+"/"+name, []byte("foreign"), session.Parents()); err != nil {
							t.Fatal(err)
						}
					}
				}
				wantEmpty(t, q)
				mustPush(t, q, "1", "2", "3")
				if got := contents(t, q); got != "1 2 3" {
					t.Errorf("in the queue: %s", got)
				}
				mustPop(t, q, "1")
				if l == queue.Native || l == queue.KazooLocking {
					mustAck(t, mustClaim(t, q, "2"))
				} else {
					mustPop(t, q, "2")
				}
				mustPop(t, q, "3")
				wantEmpty(t, q)
			})
		})
	}
}

// A node that cannot be deleted, because another client has created a child below
// it, does not block the other items.
func TestChildOfAnItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		q := texts(s, queue.WithLayout(queue.Curator))
		mustPush(t, q, "1", "2", "3")
		if _, _, err := s.Create(t.Context(), path+"/queue-0000000000/child", nil); err != nil {
			t.Fatal(err)
		}
		mustPop(t, q, "2", "3")
		wantEmpty(t, q)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		srv.ResetRequests()
		_, err := q.Pop(ctx)
		testkit.WantError(t, err, context.DeadlineExceeded)
		if n := len(srv.Requests()); n > 20 {
			t.Errorf("%d requests in a minute", n)
		}
	})
}
