package queue_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func TestNotBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		q, other := texts(srv.Session(t)), texts(srv.Session(t))
		start := time.Now()
		push := func(v string, d time.Duration, opts ...queue.PushOption) {
			if _, err := other.Push(t.Context(), v, append(opts, queue.WithNotBefore(start.Add(d)))...); err != nil {
				t.Fatal(err)
			}
		}
		push("10s", 10*time.Second)
		push("5s", 5*time.Second, queue.WithPriority(3))
		push("5.0005s", 5*time.Second+500*time.Microsecond)
		push("past", -time.Hour)
		push("1960", -time.Since(time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)))
		mustPop(t, q, "past", "1960")
		wantEmpty(t, q)
		for _, want := range []struct {
			v  string
			at time.Duration
		}{{"5s", 5 * time.Second}, {"5.0005s", 5001 * time.Millisecond}, {"10s", 10 * time.Second}} {
			mustPop(t, q, want.v)
			if d := time.Since(start); d != want.at {
				t.Errorf("%s came after %v", want.v, d)
			}
		}
		// A due item has the same position as without the delay.
		start = time.Now()
		push("first", time.Second)
		mustPush(t, other, "second")
		time.Sleep(time.Second)
		mustPop(t, q, "first", "second")
	})
}

// A consumer that waits for a delayed item is woken by an item that precedes it.
func TestEarlierItemComesWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		q, other := texts(srv.Session(t)), texts(srv.Session(t))
		start := time.Now()
		for i, d := range []time.Duration{time.Hour, time.Minute} {
			time.AfterFunc(time.Duration(i)*time.Second, func() {
				if _, err := other.Push(t.Context(), d.String(), queue.WithNotBefore(start.Add(d))); err != nil {
					t.Error(err)
				}
			})
		}
		for _, want := range []time.Duration{time.Minute, time.Hour} {
			v, err := q.Pop(testkit.Within(t, 2*time.Hour))
			if d := time.Since(start); v != want.String() || err != nil || d != want {
				t.Errorf("popped %q, %v after %v, want %v", v, err, d, want)
			}
		}
	})
}

// Items of CuratorDelay are ordered by their times.
func TestCuratorDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := texts(zktest.New(t).Session(t), queue.WithLayout(queue.CuratorDelay))
		start := time.Now()
		for _, d := range []time.Duration{3, 1, 2} {
			if _, err := q.Push(t.Context(), fmt.Sprint(int(d)), queue.WithNotBefore(start.Add(d*time.Minute))); err != nil {
				t.Fatal(err)
			}
		}
		mustPush(t, q, "0")
		mustPop(t, q, "0", "1", "2")
		if d := time.Since(start); d != 2*time.Minute {
			t.Errorf("they came after %v", d)
		}
		time.Sleep(time.Hour)
		mustPush(t, q, "4")
		mustPop(t, q, "3", "4")
	})
}
