package tasks_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Tasks past the last sequence number are done in the order in which they were
// submitted, also by a master that finds some of them at the start of its term.
// Submit fails while the next name is in use.
func TestSequenceEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		p := texts(srv.Session(t), tasks.WithRetention(0, time.Hour))
		var mu sync.Mutex
		var order []string
		do := func(k task) {
			mu.Lock()
			defer mu.Unlock()
			order = append(order, k.Input)
		}
		release := make(chan struct{})
		lead := leading(t, p)
		finish := working(t, p, "w", func(_ context.Context, k task) (string, error) {
			do(k)
			if k.Input == "d" {
				<-release
			}
			return "", nil
		})
		submit(t, p, "first")
		time.Sleep(time.Minute)
		finish()
		srv.JumpSequence(path+"/tasks", 1<<31-3)
		submit(t, p, "a")
		submit(t, p, "b")
		srv.EndSequenceInBursts(path+"/tasks", 3)
		c := submit(t, p, "c")
		submit(t, p, "d")
		e := submit(t, p, "e")
		if _, err := p.Submit(t.Context(), "refused"); !errors.Is(err, session.ErrSequenceEnd) {
			t.Errorf("Submit: %v", err)
		}
		lead()
		defer leading(t, p)()
		defer working(t, p, "w", func(_ context.Context, k task) (string, error) {
			do(k)
			if k.Input == "d" {
				<-release
			}
			return "", nil
		})()
		time.Sleep(time.Minute)
		f := submit(t, p, "f")
		if f.ID() != c.ID() {
			t.Fatalf("%s has not the name of %s", f.ID(), c.ID())
		}
		var listed []string
		infos, err := p.List(t.Context())
		for _, i := range infos {
			listed = append(listed, i.ID)
		}
		if got := strings.Join(listed, " "); got != "task--2147483648 task--2147483647 "+f.ID() || err != nil {
			t.Errorf("listed %s, %v", got, err)
		}
		close(release)
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if got := strings.Join(order, " "); got != "first a b c d e f" {
			t.Errorf("done in the order %s", got)
		}
		for _, k := range []*ticket{c, e} {
			if _, err := k.Wait(testkit.Soon(t)); !errors.Is(err, tasks.ErrNoTask) {
				t.Errorf("a wait for %s, which was removed: %v", k.ID(), err)
			}
		}
	})
}

// A task that has the name of a finished one that was deleted by hand is done, and
// is not removed in place of the finished one.
func TestNameIsReused(t *testing.T) {
	for _, rest := range []time.Duration{0, 2 * time.Hour} { // the old one would be removed after one
		t.Run(rest.String(), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { reuseName(t, rest) }) })
	}
}

func reuseName(t *testing.T, rest time.Duration) {
	srv := zktest.New(t)
	s := srv.Session(t)
	p := texts(s, tasks.WithRetention(100, time.Hour))
	defer leading(t, p)()
	h := func(_ context.Context, k task) (string, error) { return k.Input, nil }
	work := working(t, p, "w", h)
	wants(t, submit(t, p, "first"), "first")
	srv.EndSequence(path + "/tasks")
	old := submit(t, p, "old")
	wants(t, old, "old")
	if _, err := p.Submit(t.Context(), "refused"); !errors.Is(err, session.ErrSequenceEnd) {
		t.Errorf("Submit: %v", err)
	}
	work()
	node := path + "/tasks/" + old.ID()
	names, _, err := s.Children(t.Context(), node)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names, "") {
		if err := s.Delete(t.Context(), strings.TrimSuffix(node+"/"+name, "/"), session.AnyVersion); err != nil {
			t.Fatal(err)
		}
	}
	k := submit(t, p, "new")
	if k.ID() != old.ID() {
		t.Fatalf("%s has not the name of %s", k.ID(), old.ID())
	}
	time.Sleep(rest)
	if _, err := old.Wait(testkit.Soon(t)); !errors.Is(err, tasks.ErrNoTask) {
		t.Errorf("a wait for the old task: %v", err)
	}
	defer working(t, p, "w", h)()
	start := time.Now()
	wants(t, k, "new")
	if d := time.Since(start); d > time.Minute {
		t.Errorf("it was done after %v", d)
	}
}
