//go:build interop

package queue_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/test/foreign"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
)

// library is another library. Its program pushes items and takes items while this
// library does the same.
type library struct {
	start  func(t testing.TB, args ...string) *foreign.Program
	queues map[string]shared
}

// shared is a queue that both libraries use.
type shared struct {
	opts   []queue.Option
	push   func(i int) []queue.PushOption
	claims bool
	more   int    // number of items that the other program pushes at once
	folder string // the folder of the items below the queue's path
}

const each = 40 // items from each side

func layout(l queue.Layout, more ...queue.Option) []queue.Option {
	return append(more, queue.WithLayout(l))
}

func TestCuratorQueues(t *testing.T) {
	program := foreign.Compile(t, "testdata/interop/Queues.java")
	none := func(int) []queue.PushOption { return nil }
	priority := func(i int) []queue.PushOption { return []queue.PushOption{queue.WithPriority(i%3 - 1)} }
	lib := library{
		start: program.Start,
		queues: map[string]shared{
			"plain":          {opts: layout(queue.Curator), push: none, more: 5},
			"locks":          {opts: layout(queue.Curator, queue.WithLockPath("/locks-locks")), push: none, claims: true, more: 5},
			"priority":       {opts: layout(queue.CuratorPriority), push: priority},
			"priority-locks": {opts: layout(queue.CuratorPriority, queue.WithLockPath("/priority-locks-locks")), push: priority, claims: true},
			"delay": {opts: layout(queue.CuratorDelay), push: func(i int) []queue.PushOption {
				return []queue.PushOption{queue.WithNotBefore(time.Now().Add(time.Duration(i%50) * time.Millisecond))}
			}},
			"simple": {opts: layout(queue.CuratorSimple), push: none},
		},
	}
	foreign.EachServer(t, lib.share)
}

func TestKazooQueues(t *testing.T) {
	priority := func(i int) []queue.PushOption { return []queue.PushOption{queue.WithPriority(100 + i%3)} }
	lib := library{
		start: func(t testing.TB, args ...string) *foreign.Program {
			return foreign.Python(t, "testdata/interop/queues.py", args...)
		},
		queues: map[string]shared{
			"plain":   {opts: layout(queue.Kazoo), push: priority},
			"locking": {opts: layout(queue.KazooLocking), push: priority, claims: true, more: 5, folder: "/entries"},
		},
	}
	foreign.EachServer(t, lib.share)
}

// share lets both libraries push and take until every item has been taken, and
// checks that each was taken once.
func (lib library) share(t *testing.T, s *session.Session, connect string) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	taken := &takings{seen: map[string]string{}, sides: map[string]int{}, all: make(chan struct{})}
	for _, q := range lib.queues {
		taken.left += 2*each + q.more
	}
	theirs := lib.start(t, fmt.Sprint(each), connect)
	var all sync.WaitGroup
	defer all.Wait()
	defer theirs.CloseInput()
	all.Go(func() {
		last := ""
		for last = range theirs.Lines() {
			if kind, item, ok := strings.Cut(last, " "); ok {
				taken.add(t, "theirs", kind, item)
			}
		}
		if last != "end" {
			t.Errorf("the last line of the other program is %q", last)
		}
	})
	working, stop := context.WithCancel(ctx)
	for kind, sh := range lib.queues {
		q := queue.New(s, "/"+kind, codec.Text(), sh.opts...)
		all.Go(func() {
			for i := range each {
				if _, err := q.Push(ctx, fmt.Sprintf("ours%d", i), sh.push(i)...); err != nil {
					t.Errorf("%s: push: %v", kind, err)
				}
			}
		})
		all.Go(func() { take(t, working, q, sh.claims, func(v string) { taken.add(t, "ours", kind, v) }) })
	}
	select {
	case <-taken.all:
	case <-ctx.Done():
		t.Errorf("%d items were not taken; %v", taken.left, taken.sides)
	}
	stop()
	for kind, sh := range lib.queues { // what they have said they have taken may not be removed yet
		drained(t, ctx, s, "/"+kind+sh.folder, queue.New(s, "/"+kind, codec.Text(), sh.opts...))
	}
	theirs.CloseInput()
	all.Wait()
	t.Log(taken.sides)
	for kind := range lib.queues {
		if taken.sides["ours of "+kind] == 0 || taken.sides["theirs of "+kind] < each {
			t.Errorf("%s was not shared", kind)
		}
	}
}

// drained waits until a queue is empty.
func drained(t *testing.T, ctx context.Context, s *session.Session, path string, q *queue.Queue[string]) {
	for ctx.Err() == nil {
		ep, err := s.Epoch(ctx)
		if err != nil {
			t.Fatal(err)
		}
		_, _, w, err := ep.WatchChildren(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		n, err := q.Len(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			w.Close()
			return
		}
		select {
		case <-w.Fired():
		case <-ctx.Done():
			t.Errorf("%s: %d items are left", path, n)
		}
	}
}

// take takes a part of a queue's items, in every way that the layout supports.
func take(t *testing.T, ctx context.Context, q *queue.Queue[string], claims bool, taken func(string)) {
	for i, share := 0, each; share > 0; i++ {
		var v string
		var err error
		if claims && i%3 > 0 {
			var item *queue.Item[string]
			if item, err = q.Claim(ctx); err == nil {
				if v = item.Value; i%3 == 1 {
					err = item.Ack(context.WithoutCancel(ctx))
				} else {
					err = item.Nack(context.WithoutCancel(ctx))
					v = ""
				}
			}
		} else {
			v, err = q.Pop(ctx)
		}
		switch {
		case ctx.Err() != nil && err != nil:
			return
		case err != nil:
			t.Errorf("take: %v", err)
			return
		case v != "":
			taken(v)
			share--
		}
	}
}

// takings are the items that were taken, with the library that took each.
type takings struct {
	mu    sync.Mutex
	seen  map[string]string
	sides map[string]int
	left  int
	all   chan struct{} // closed when nothing is left
}

func (ts *takings) add(t *testing.T, side, kind, item string) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	key := kind + " " + item
	if who, ok := ts.seen[key]; ok {
		t.Errorf("%s was taken by %s and %s", key, who, side)
		return
	}
	ts.seen[key] = side
	ts.sides[side+" of "+kind]++
	if ts.left--; ts.left == 0 {
		close(ts.all)
	}
}
