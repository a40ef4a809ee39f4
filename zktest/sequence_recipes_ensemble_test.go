//go:build ensemble

package zktest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/queue"
	zk "github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
)

// The recipes keep their promises when a real server reaches the end of its sequence
// numbers.
func TestRecipesPastSequenceEnd(t *testing.T) {
	addr := sequenceNearEnd(t, "2147483640")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	connect := func() *zk.Session {
		s, err := zk.Connect(ctx, addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close(context.Background()) })
		return s
	}
	a, b := connect(), connect()

	var owners atomic.Int32
	var all sync.WaitGroup
	for i := range 40 {
		s := []*zk.Session{a, b}[i%2]
		all.Go(func() {
			err := lock.New(s, "/lock").Do(ctx, func(context.Context, *lock.Lease) error {
				if n := owners.Add(1); n != 1 {
					t.Errorf("%d owners at once", n)
				}
				time.Sleep(5 * time.Millisecond)
				owners.Add(-1)
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()

	push, pop := queue.New(a, "/queue", codec.Text()), queue.New(b, "/queue", codec.Text())
	var want []string
	for i := range 30 {
		var vs []string
		for k := range 1 + i%4 {
			vs = append(vs, fmt.Sprint(i, "-", k))
		}
		if _, err := push.PushAll(ctx, vs); err != nil {
			t.Fatal(err)
		}
		want = append(want, vs...)
	}
	if _, err := push.Push(ctx, "urgent", queue.WithPriority(-1)); err != nil {
		t.Fatal(err)
	}
	for i, v := range slices.Concat([]string{"urgent"}, want) {
		if got, err := pop.Pop(ctx); got != v || err != nil {
			t.Fatalf("item %d is %q, want %q (%v)", i, got, v, err)
		}
	}

	simple := queue.New(a, "/simple", codec.Text(), queue.WithLayout(queue.CuratorSimple))
	n := 0
	for ; n < 20; n++ {
		_, err := simple.Push(ctx, "x")
		if errors.Is(err, zk.ErrSequenceEnd) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if n != 8 {
		t.Errorf("%d pushes succeeded, want 8", n)
	}

	pool := tasks.New(a, "/pool", codec.Text(), codec.Text())
	n = 0
	for ; n < 20; n++ {
		_, err := pool.Submit(ctx, "x")
		if errors.Is(err, zk.ErrSequenceEnd) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if n != 8 {
		t.Errorf("%d tasks were submitted, want 8", n)
	}
}
