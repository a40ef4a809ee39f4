//go:build interop

package queue_test

import (
	"bufio"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// foreign is a program of another library that puts items into queues and takes
// items out of them, while ours does the same.
type foreign struct {
	command []string
	queues  map[string]shared
}

// shared is a queue that both sides use.
type shared struct {
	opts   []queue.Option
	push   func(i int) []queue.PushOption
	claims bool
	more   int    // items that they put at once
	folder string // of the items, if it is not that of the queue
}

const each = 40 // items from each side

func layout(l queue.Layout, more ...queue.Option) []queue.Option {
	return append(more, queue.WithLayout(l))
}

func TestCuratorQueues(t *testing.T) {
	dir := t.TempDir()
	var jars []string
	for _, jar := range []string{"curator-recipes", "curator-framework", "curator-client", "zookeeper", "zookeeper-jute", "guava", "slf4j-nop"} {
		jars = append(jars, filepath.Join("/usr/share/java", jar+".jar"))
	}
	classPath := strings.Join(append(jars, dir), ":")
	if out, err := exec.CommandContext(t.Context(), "javac", "-cp", classPath, "-d", dir, "testdata/interop/Queues.java").CombinedOutput(); err != nil {
		t.Fatalf("javac: %v\n%s", err, out)
	}
	none := func(int) []queue.PushOption { return nil }
	priority := func(i int) []queue.PushOption { return []queue.PushOption{queue.WithPriority(i%3 - 1)} }
	onBoth(t, foreign{
		command: []string{"java", "-cp", classPath, "Queues"},
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
	})
}

func TestKazooQueues(t *testing.T) {
	priority := func(i int) []queue.PushOption { return []queue.PushOption{queue.WithPriority(100 + i%3)} }
	onBoth(t, foreign{
		command: []string{"/usr/bin/python3", "testdata/interop/queues.py"},
		queues: map[string]shared{
			"plain":   {opts: layout(queue.Kazoo), push: priority},
			"locking": {opts: layout(queue.KazooLocking), push: priority, claims: true, more: 5, folder: "/entries"},
		},
	})
}

func onBoth(t *testing.T, f foreign) {
	for name, hosts := range map[string]func(*testing.T) string{
		"zktest": func(t *testing.T) string { return zktest.New(t).Addr() },
		"real": func(t *testing.T) string {
			return zktest.Ensemble(t, 1, zktest.WithTick(200*time.Millisecond)).Connect()
		},
	} {
		t.Run(name, func(t *testing.T) { f.share(t, hosts(t)) })
	}
}

// share has both sides at it until everything has been taken, by one side or the
// other, and checks that it was taken once.
func (f foreign) share(t *testing.T, hosts string) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	s, err := session.Connect(ctx, hosts)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close(context.Background())
	taken := &takings{seen: map[string]string{}, sides: map[string]int{}, all: make(chan struct{})}
	for _, q := range f.queues {
		taken.left += 2*each + q.more
	}
	theirs := exec.CommandContext(ctx, f.command[0], append(f.command[1:], fmt.Sprint(each), hosts)...)
	stdin, _ := theirs.StdinPipe()
	stdout, _ := theirs.StdoutPipe()
	var complaints strings.Builder
	theirs.Stderr = &complaints
	if err := theirs.Start(); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() {
		last := ""
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			last = lines.Text()
			if kind, item, ok := strings.Cut(last, " "); ok {
				taken.add(t, "theirs", kind, item)
			}
		}
		if err := theirs.Wait(); err != nil || last != "end" {
			t.Errorf("%v: %v, last it said %q\n%s", f.command, err, last, complaints.String())
		}
	})
	working, stop := context.WithCancel(ctx)
	for kind, sh := range f.queues {
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
	for kind, sh := range f.queues { // what they have said they have taken may not be removed yet
		drained(t, ctx, s, "/"+kind+sh.folder, queue.New(s, "/"+kind, codec.Text(), sh.opts...))
	}
	stdin.Close()
	all.Wait()
	t.Log(taken.sides)
	for kind := range f.queues {
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

// take takes its share of a queue, in every way that the layout has.
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

// takings are the items that were taken, and by whom.
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
