package tasks_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/tasks"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// floor is a master, and workers whose handlers wait until finish ends them.
type floor struct {
	testing.TB
	pool  *pool
	srv   *zktest.Server
	mu    sync.Mutex
	at    map[string][]string // what each worker is at
	goOn  chan struct{}
	stops map[string]func()
}

func newFloor(t *testing.T, opts ...any) *floor {
	f := &floor{TB: t, srv: zktest.New(t), at: make(map[string][]string), goOn: make(chan struct{}), stops: make(map[string]func())}
	f.pool = texts(f.srv.Session(t), opts...)
	leading(t, f.pool)
	return f
}

// hire starts workers of a capacity.
func (f *floor) hire(capacity int, ids ...string) {
	for _, id := range ids {
		f.stops[id] = working(f, texts(f.srv.Session(f), tasks.WithConcurrency(capacity)), id, func(ctx context.Context, k task) (string, error) {
			f.mu.Lock()
			f.at[id] = append(f.at[id], k.Input)
			f.mu.Unlock()
			select {
			case <-f.goOn:
				return "", nil
			case <-ctx.Done():
				return "", context.Cause(ctx)
			}
		})
	}
	settle()
}

func (f *floor) submit(inputs ...string) {
	for _, in := range inputs {
		submit(f, f.pool, in)
		settle()
	}
}

// wants checks which worker has done which tasks.
func (f *floor) wants(want string) {
	f.Helper()
	settle()
	f.mu.Lock()
	defer f.mu.Unlock()
	var got []string
	for id, at := range f.at {
		got = append(got, id+":"+strings.Join(at, ""))
	}
	slices.Sort(got)
	if s := strings.Join(got, " "); s != want {
		f.Errorf("%s, want %s", s, want)
	}
}

// finish ends n handlers.
func (f *floor) finish(n int) {
	for range n {
		f.goOn <- struct{}{}
		settle()
	}
}

func TestLeastLoaded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFloor(t)
		f.hire(1, "a")
		f.hire(4, "b")
		f.hire(2, "c")
		f.submit("1", "2", "3", "4", "5", "6", "7", "8", "9")
		f.wants("a:3 b:1457 c:26") // the smallest part of its capacity
		f.finish(9)
		f.mu.Lock()
		n := 0
		for _, at := range f.at {
			n += len(at)
		}
		f.mu.Unlock()
		if n != 9 {
			t.Errorf("%d tasks were done", n)
		}
	})
}

func TestRoundRobin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFloor(t, tasks.WithStrategy(tasks.RoundRobin()))
		f.hire(2, "a", "c")
		f.submit("1", "2", "3")
		f.wants("a:13 c:2")
		f.hire(2, "b")
		f.submit("4", "5", "6", "7")
		f.wants("a:13 b:46 c:25")
		f.finish(7)
	})
}

// All tasks of one key are assigned to the same worker while it lives. When a
// worker starts or stops, only its keys move.
func TestSticky(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFloor(t, tasks.WithStrategy(tasks.Sticky(func(data []byte) string { return string(data[:1]) })))
		f.hire(1000, "u", "v", "w")
		var inputs []string
		for _, key := range strings.Split("abcdefghijklmnopqrstuvwxyz", "") {
			inputs = append(inputs, key, key, key)
		}
		f.submit(inputs...)
		owner := func() map[string]string {
			f.mu.Lock()
			defer f.mu.Unlock()
			owner := make(map[string]string)
			for id, at := range f.at {
				for _, in := range at {
					if other := owner[in]; other != "" && other != id {
						t.Errorf("%s is at %s and %s", in, other, id)
					}
					owner[in] = id
				}
			}
			return owner
		}
		before := owner()
		for _, id := range []string{"u", "v", "w"} {
			if n := len(f.at[id]); n < 9 || n > 45 {
				t.Errorf("%s has %d of 78", id, n)
			}
		}
		f.mu.Lock()
		clear(f.at)
		f.mu.Unlock()
		f.stops["v"]()
		settle()
		f.submit(inputs...)
		for key, id := range owner() {
			if before[key] != "v" && before[key] != id {
				t.Errorf("%s has moved from %s to %s", key, before[key], id)
			}
		}
	})
}

// A task whose worker has no free capacity waits, and does not delay tasks of other
// workers.
func TestStickyDoesNotBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := func(data []byte) string { return string(data[:1]) }
		f := newFloor(t, tasks.WithStrategy(tasks.StrategyFunc(func(k tasks.PendingTask, ws []tasks.Worker) int {
			return slices.IndexFunc(ws, func(w tasks.Worker) bool { return w.ID == first(k.Data) })
		})))
		f.hire(1, "a", "b")
		f.submit("a1", "a2", "x", "b1", "b2")
		f.wants("a:a1 b:b1")
		f.finish(2)
		f.wants("a:a1a2 b:b1b2")
		f.hire(1, "x")
		f.wants("a:a1a2 b:b1b2 x:x")
		f.finish(3)
	})
}

// Whatever a strategy returns, no worker gets more tasks than its capacity.
func TestStrategyIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := []int{-1, 0, 0, 0, 7, 1, -5, 0}
		n := 0
		f := newFloor(t, tasks.WithStrategy(tasks.StrategyFunc(func(_ tasks.PendingTask, ws []tasks.Worker) int {
			n++
			return answers[n%len(answers)]
		})))
		f.hire(1, "a", "b")
		for i := range 6 {
			f.submit(fmt.Sprint(i))
		}
		for range 6 {
			f.finish(1)
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		if len(f.at["a"])+len(f.at["b"]) != 6 {
			t.Errorf("done: %v", f.at)
		}
	})
}

// A worker gets no more tasks than its capacity, in their order.
func TestOrder(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	p := texts(s)
	var want []string
	var ks []*ticket
	for i := range 30 {
		want = append(want, fmt.Sprint(i))
		ks = append(ks, submit(t, p, want[i]))
	}
	var got []string
	defer leading(t, p)()
	defer working(t, p, "w", func(_ context.Context, k task) (string, error) {
		got = append(got, k.Input)
		if names, _, err := s.Children(testkit.Soon(t), path+"/assign/w"); err != nil || len(names) > 1 {
			t.Errorf("assigned: %v", names)
		}
		return "", nil
	})()
	for _, k := range ks {
		wants(t, k, "")
	}
	if !slices.Equal(got, want) {
		t.Errorf("done in the order %v", got)
	}
}

// settle waits until all tasks that can be assigned are assigned.
func settle() {
	time.Sleep(time.Second)
	synctest.Wait()
}
