package tasks_test

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A bad argument is refused before anything is sent, with an error that names it.
func TestBadInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		at := func(path string, opts ...tasks.Option) *pool {
			return &pool{Pool: tasks.New(s, path, codec.Text(), codec.Text(), opts...)}
		}
		good := texts(s)
		tests := map[string]func() error{
			"path":              func() error { _, err := at("pool").Submit(t.Context(), ""); return err },
			"empty path":        func() error { return at("").Master(t.Context()) },
			"path for a worker": func() error { return at("/a/").Work(t.Context(), "w", echo) },
			"path for a list":   func() error { _, err := at("a").List(t.Context()); return err },
			"path of a ticket":  func() error { _, err := at("a").Ticket("task-0000000000").Wait(t.Context()); return err },
			"ticket":            func() error { _, err := good.Ticket("task-1").Wait(t.Context()); return err },
			"other ticket":      func() error { _, err := good.Ticket("../x").Wait(t.Context()); return err },
			"empty id":          func() error { return good.Work(t.Context(), "", echo) },
			"id of two":         func() error { return good.Work(t.Context(), "a/b", echo) },
			"no function":       func() error { return good.Work(t.Context(), "w", nil) },
			"large task":        func() error { _, err := good.Submit(t.Context(), strings.Repeat("x", good.MaxSize()+1)); return err },
			"concurrency":       func() error { return texts(s, tasks.WithConcurrency(0)).Work(t.Context(), "w", echo) },
			"attempts":          func() error { return texts(s, tasks.WithMaxAttempts(-1)).Master(t.Context()) },
			"retries":           func() error { return texts(s, tasks.WithRetryAfter(nil)).Work(t.Context(), "w", echo) },
			"strategy":          func() error { return texts(s, tasks.WithStrategy(tasks.Strategy{})).Master(t.Context()) },
			"keep":              func() error { return texts(s, tasks.WithRetention(-1, 0)).Master(t.Context()) },
			"by nobody":         func() error { return texts(s, tasks.WithStrategy(tasks.StrategyFunc(nil))).Master(t.Context()) },
			"sticky to nothing": func() error { return texts(s, tasks.WithStrategy(tasks.Sticky(nil))).Master(t.Context()) },
		}
		srv.ResetRequests()
		for name, f := range tests {
			err := f()
			var oe *session.OpError
			if !errors.Is(err, session.ErrInvalid) || !errors.As(err, &oe) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if rs := srv.Requests(); len(rs) > 0 {
			t.Errorf("requests were sent: %+v", rs)
		}
	})
}

// Tasks and results of the largest size are accepted.
func TestLargest(t *testing.T) {
	target := zktest.Open(t)
	p := texts(target.Session(t))
	defer leading(t, p)()
	defer working(t, p, "w", func(_ context.Context, k task) (string, error) { return k.Input, nil })()
	in := strings.Repeat("x", p.MaxSize())
	wants(t, submit(t, p, in), in)
}

// Data that cannot be encoded or decoded is reported, and other tasks continue.
func TestCodecs(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	no := errors.New("not this")
	refuses := func(what string) codec.Codec[string] {
		return codec.Checked(codec.Text(), func(s string) error {
			if s == what {
				return no
			}
			return nil
		})
	}
	p := &pool{Pool: tasks.New(s, path, refuses("a"), refuses("b!"))}
	worker := &pool{Pool: tasks.New(s, path, refuses("c"), refuses("d!"))}
	defer leading(t, p)()
	defer working(t, worker, "w", echo)()
	if _, err := p.Submit(testkit.Soon(t), "a"); !errors.Is(err, no) {
		t.Errorf("a task that cannot be encoded: %v", err)
	}
	if _, err := submit(t, p, "b").Wait(testkit.Soon(t)); !errors.Is(err, no) {
		t.Errorf("a result that cannot be decoded: %v", err)
	}
	fails(t, submit(t, p, "c"), "decoding the task: ")
	fails(t, submit(t, p, "d"), "encoding the result: ")
	wants(t, submit(t, p, "e"), "e!")
}

// A handler that panics or calls runtime.Goexit does not end the worker.
func TestHandlerEndsItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := texts(zktest.New(t).Session(t), tasks.WithMaxAttempts(1))
		defer leading(t, p)()
		defer working(t, p, "w", func(context.Context, task) (string, error) {
			panic(nil)
		})()
		fails(t, submit(t, p, "x"), "panic")
		defer working(t, p, "v", func(context.Context, task) (string, error) {
			return "", errors.New(strings.Repeat("é", 10_000))
		})()
	})
}

// An id belongs to one worker at a time.
func TestSameID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		defer leading(t, texts(b))()
		stop := working(t, texts(a), "w", func(context.Context, task) (string, error) { return "a", nil })
		synctest.Wait()
		testkit.WantError(t, texts(a).Work(t.Context(), "w", echo), tasks.ErrWorking)
		defer working(t, texts(b), "w", func(context.Context, task) (string, error) { return "b", nil })()
		time.Sleep(time.Minute)
		wants(t, submit(t, texts(b), "x"), "a")
		stop()
		wants(t, submit(t, texts(b), "x"), "b")

		if _, _, err := b.Create(t.Context(), path+"/workers/taken", nil); err != nil {
			t.Fatal(err)
		}
		testkit.WantError(t, texts(a).Work(t.Context(), "taken", echo), tasks.ErrTaken)
	})
}

// Errors that waiting does not remove are returned immediately, and nothing spins
// while they last.
func TestPermanentErrors(t *testing.T) {
	only := func(perms session.Perm) []session.ACL {
		return []session.ACL{{Perms: perms, Scheme: "world", ID: "anyone"}}
	}
	for _, node := range []string{"/tasks", "/workers", "/assign", ""} {
		synctest.Test(t, func(t *testing.T) {
			srv := zktest.New(t)
			s, owner := srv.Session(t), srv.Session(t)
			hand{t, owner}.setUp()
			if _, err := owner.SetACL(t.Context(), path+node, only(session.PermAdmin), session.AnyVersion); err != nil {
				t.Fatal(err)
			}
			p := texts(s)
			began := time.Now()
			calls := map[string]func() error{
				"Master": func() error { return p.Master(t.Context()) },
			}
			if node == "/workers" {
				calls["Work"] = func() error { return p.Work(t.Context(), "w", echo) }
			}
			if node == "/tasks" {
				calls["Submit"] = func() error { _, err := p.Submit(t.Context(), ""); return err }
			}
			srv.ResetRequests()
			for name, call := range calls {
				testkit.WantError(t, call(), session.ErrNoAuth)
				if d := time.Since(began); d > time.Second {
					t.Errorf("%s returned after %v", name, d)
				}
			}
			if n := len(srv.Requests()); n > 60 {
				t.Errorf("%s: %d requests", node, n)
			}
		})
	}
}

// Closing the session ends all calls.
func TestSessionIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		p := texts(s)
		ended := make(chan error, 4)
		go func() { ended <- p.Master(t.Context()) }()
		go func() { ended <- p.Master(t.Context()) }() // waits to be it
		go func() { ended <- p.Work(t.Context(), "w", block(make(chan context.Context, 1))) }()
		k := submit(t, p, "x")
		go func() { _, err := k.Wait(t.Context()); ended <- err }()
		time.Sleep(time.Second)
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		for range 4 {
			testkit.WantError(t, <-ended, session.ErrClosed)
		}
	})
}

// A context ends every call while there is no connection.
func TestContextEndsWhileCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		p := texts(s)
		k := submit(t, p, "x")
		srv.Stop()
		calls := map[string]func(context.Context) error{
			"Submit": func(ctx context.Context) error { _, err := p.Submit(ctx, ""); return err },
			"Wait":   func(ctx context.Context) error { _, err := k.Wait(ctx); return err },
			"List":   func(ctx context.Context) error { _, err := p.List(ctx); return err },
			"Master": func(ctx context.Context) error { return cmp.Or(p.Master(ctx), context.Cause(ctx)) },
			"Work":   func(ctx context.Context) error { return cmp.Or(p.Work(ctx, "w", echo), context.Cause(ctx)) },
		}
		for name, call := range calls {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			began := time.Now()
			testkit.WantError(t, call(ctx), context.DeadlineExceeded)
			if d := time.Since(began); d > 2*time.Second {
				t.Errorf("%s returned after %v", name, d)
			}
			cancel()
		}
		if err := srv.Restart(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if tree := srv.Tree(); strings.Contains(tree, "/master ") || strings.Contains(tree, "/workers/") {
			t.Errorf("left:\n%s", tree)
		}
	})
}

// A state that does not exist has a name, too.
func TestUnknownState(t *testing.T) {
	if got := tasks.State(99).String(); got != "state 99" {
		t.Errorf("String: %q", got)
	}
}
