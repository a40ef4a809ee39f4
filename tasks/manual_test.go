package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// hand is a person who writes nodes by hand.
type hand struct {
	testing.TB
	*session.Session
}

func (h hand) create(path, data string, opts ...session.CreateOption) string {
	h.Helper()
	made, _, err := h.Session.Create(testkit.Soon(h), path, []byte(data), opts...)
	if err != nil {
		h.Fatal(err)
	}
	return made
}

func (h hand) delete(path string) {
	h.Helper()
	if err := h.Session.Delete(testkit.Soon(h), path, session.AnyVersion); err != nil {
		h.Fatal(err)
	}
}

// awaits waits for a child, or for the absence of children if child is "".
func (h hand) awaits(path, child string) {
	h.Helper()
	e, err := h.Epoch(testkit.Soon(h))
	if err != nil {
		h.Fatal(err)
	}
	for {
		names, _, w, err := e.WatchChildren(testkit.Soon(h), path)
		if err != nil {
			h.Fatal(err)
		}
		if slices.Contains(names, child) || child == "" && len(names) == 0 {
			w.Close()
			return
		}
		select {
		case <-w.Fired():
		case <-testkit.Soon(h).Done():
			h.Fatalf("%s has %q, and not %q", path, names, child)
		}
	}
}

// setUp creates the nodes that the article creates by hand.
func (h hand) setUp() {
	h.create(path, "")
	for _, name := range []string{"/workers", "/tasks", "/assign"} {
		h.create(path+name, "")
	}
}

func TestMasterByHand(t *testing.T) {
	target := zktest.Open(t)
	h := hand{t, target.Session(t)}
	h.setUp()
	h.create(path+"/master", "master1.example.com:2223", session.Ephemeral())
	defer working(t, texts(target.Session(t)), "w1", echo)()
	k := submit(t, texts(target.Session(t)), "cmd")
	h.awaits(path+"/workers", "w1")
	h.awaits(path+"/assign", "w1")
	h.awaits(path+"/tasks", k.ID())
	h.create(path+"/assign/w1/"+k.ID(), "")
	wants(t, k, "cmd!")
	h.awaits(path+"/assign/w1", "")

	// Ours takes over when that one goes, with what it has left undone.
	l := submit(t, texts(target.Session(t)), "more")
	defer leading(t, texts(target.Session(t)))()
	if _, _, err := h.Session.Create(testkit.Soon(t), path+"/master", nil, session.Ephemeral()); !errors.Is(err, session.ErrNodeExists) {
		t.Errorf("a second master: %v", err)
	}
	h.delete(path + "/master")
	wants(t, l, "more!")
}

func TestWorkerByHand(t *testing.T) {
	target := zktest.Open(t)
	h := hand{t, target.Session(t)}
	p := texts(target.Session(t))
	defer leading(t, p)()
	h.awaits("/", strings.TrimPrefix(path, "/"))
	h.awaits(path, "assign")
	h.awaits(path, "workers")
	h.create(path+"/workers/w1", "worker1.example.com:2224", session.Ephemeral())
	if _, _, err := h.Session.Create(testkit.Soon(t), path+"/assign/w1", nil); err != nil && !errors.Is(err, session.ErrNodeExists) {
		t.Fatal(err) // the master has made it if it was quicker
	}
	k, l := submit(t, p, "1"), submit(t, p, "2")
	h.awaits(path+"/assign/w1", k.ID())
	h.create(path+"/tasks/"+k.ID()+"/status", "done")
	wants(t, k, "")
	h.awaits(path+"/assign/w1", l.ID()) // one at a time
	h.create(path+"/tasks/"+l.ID()+"/status", "failed: out of paper")
	fails(t, l, "out of paper")
	h.awaits(path+"/assign/w1", "")

	// It dies, and another has its task.
	m := submit(t, p, "3")
	h.awaits(path+"/assign/w1", m.ID())
	h.delete(path + "/workers/w1")
	defer working(t, p, "w2", echo)()
	wants(t, m, "3!")
}

func TestClientByHand(t *testing.T) {
	target := zktest.Open(t)
	h := hand{t, target.Session(t)}
	h.setUp()
	defer leading(t, texts(target.Session(t)))()
	defer working(t, texts(target.Session(t), tasks.WithMaxAttempts(1)), "w1", func(_ context.Context, k task) (string, error) {
		if k.Input == "bad" {
			return "", errors.New("no luck")
		}
		return "", nil
	})()
	for in, want := range map[string]string{"cmd": "done", "bad": "failed: no luck"} {
		made := h.create(path+"/tasks/task-", in, session.Sequential())
		h.awaits(made, "status")
		if got := data(t, h.Session, made+"/status"); got != want {
			t.Errorf("the status of %s is %q", in, got)
		}
	}
}

// Foreign nodes are ignored. An assignment that leads nowhere is deleted.
func TestGarbage(t *testing.T) {
	target := zktest.Open(t)
	h := hand{t, target.Session(t)}
	h.setUp()
	for _, node := range []string{
		"/tasks/task-", "/tasks/task-1", "/tasks/task-00000000010", "/tasks/other", "/tasks/other/status",
		"/assign/nobody", "/assign/nobody/task-0000000042", "/assign/nobody/note", "/workers/mute", "/note",
	} {
		h.create(path+node, "garbage")
	}
	p := texts(target.Session(t), tasks.WithMaxAttempts(1))
	defer leading(t, p)()
	defer working(t, p, "w1", echo)()
	h.awaits(path+"/assign", "w1")
	h.awaits(path+"/assign", "mute") // the master makes it one
	for _, node := range []string{"/tasks/late", "/assign/w1/note", "/assign/w1/task-0000000043"} {
		h.create(path+node, "garbage")
	}
	for i := range 5 {
		in := fmt.Sprint(i)
		k := submit(t, p, in)
		// mute, which takes one task, does nothing about it.
		if i == 0 {
			h.awaits(path+"/assign/mute", k.ID())
			h.create(path+"/tasks/"+k.ID()+"/status", "what is this")
			fails(t, k, `its status is "what is this"`)
			h.delete(path + "/workers/mute")
			h.awaits(path+"/assign", "w1")
			continue
		}
		wants(t, k, in+"!")
	}
	h.awaits(path+"/assign/w1", "note")
	if got := data(t, h.Session, path+"/assign/w1/task-0000000043"); got != "-" {
		t.Error("an assignment of no task is left")
	}
	k := h.create(path+"/tasks/task-", "x", session.Sequential())
	h.awaits(k, "status")
	h.create(k+"/attempts", "{")
	if _, err := p.List(testkit.Soon(t)); err != nil {
		t.Error(err)
	}
}

// Tasks may be deleted at any time.
func TestTaskIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		h := hand{t, srv.Session(t)}
		p := texts(srv.Session(t))
		lead := leading(t, p)
		waits := submit(t, p, "waits")
		ended := make(chan error)
		go func() { _, err := waits.Wait(t.Context()); ended <- err }()
		synctest.Wait()
		h.delete(path + "/tasks/" + waits.ID())
		testkit.WantError(t, <-ended, tasks.ErrNoTask)

		goOn := make(chan struct{})
		defer working(t, p, "w", func(context.Context, task) (string, error) { <-goOn; return "", nil })()
		runs, next := submit(t, p, "runs"), submit(t, p, "next")
		synctest.Wait()
		h.delete(path + "/tasks/" + runs.ID())
		close(goOn)
		wants(t, next, "")
		time.Sleep(time.Second)
		lead()
		if tree := srv.Tree(); strings.Contains(tree, "/assign/w/") {
			t.Errorf("left:\n%s", tree)
		}
	})
}

// All nodes may be deleted, and are created again.
func TestPoolIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		h := hand{t, srv.Session(t)}
		p := texts(srv.Session(t))
		defer leading(t, p)()
		defer working(t, p, "w", echo)()
		wants(t, submit(t, p, "1"), "1!")
		synctest.Wait()
		for _, node := range []string{"/tasks/task-0000000000/result", "/tasks/task-0000000000/status", "/tasks/task-0000000000", "/tasks", "/assign/w", "/assign", "/workers/w", "/workers", "/master", ""} {
			if err := h.Session.Delete(t.Context(), path+node, session.AnyVersion); err != nil && !errors.Is(err, session.ErrNoNode) && !errors.Is(err, session.ErrNotEmpty) {
				t.Fatalf("%s: %v", node, err)
			}
		}
		time.Sleep(10 * time.Second)
		wants(t, submit(t, p, "2"), "2!")
		wants(t, submit(t, p, "3"), "3!")
	})
}

// If a task was assigned twice by hand, one of the assignments is deleted.
func TestAssignedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		h := hand{t, srv.Session(t)}
		h.setUp()
		h.create(path+"/tasks/task-0000000000", "x")
		for _, w := range []string{"/a", "/b"} {
			h.create(path+"/workers"+w, "", session.Ephemeral())
			h.create(path+"/assign"+w, "")
			h.create(path+"/assign"+w+"/task-0000000000", "")
		}
		defer leading(t, texts(srv.Session(t)))()
		synctest.Wait()
		if n := strings.Count(srv.Tree(), "/task-0000000000 "); n != 2 {
			t.Errorf("%d nodes of it:\n%s", n, srv.Tree())
		}
	})
}

// A worker creates its inbox again and writes its capacity into it.
func TestInboxIsRemoved(t *testing.T) {
	target := zktest.Open(t)
	h := hand{t, target.Session(t)}
	h.setUp()
	defer working(t, texts(target.Session(t), tasks.WithConcurrency(7)), "w1", echo)()
	h.awaits(path+"/assign", "w1")
	h.delete(path + "/assign/w1")
	h.awaits(path+"/assign", "w1")
	if got := data(t, h.Session, path+"/assign/w1"); got != "7" {
		t.Errorf("it holds %q", got)
	}
}
