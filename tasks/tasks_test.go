package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/tasks"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func TestOneTask(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	p := texts(s)
	defer leading(t, texts(target.Session(t)))()
	defer working(t, texts(target.Session(t)), "w1", echo)()
	k := submit(t, p, "hello")
	if k.ID() != "task-0000000000" {
		t.Errorf("the id is %s", k.ID())
	}
	wants(t, k, "hello!")
	wants(t, texts(target.Session(t)).Ticket(k.ID()), "hello!") // and in another process
	for node, want := range map[string]string{"": "hello", "/status": "done", "/result": "hello!", "/attempts": "-"} {
		if got := data(t, s, path+"/tasks/"+k.ID()+node); got != want {
			t.Errorf("%s%s holds %q", k.ID(), node, got)
		}
	}
	if got := data(t, s, path+"/assign/w1/"+k.ID()); got != "-" {
		t.Errorf("the assignment is left: %q", got)
	}
}

// The order in which the parts start does not matter.
func TestSubmittedFirst(t *testing.T) {
	target := zktest.Open(t)
	p := texts(target.Session(t))
	var ks []*ticket
	for i := range 20 {
		ks = append(ks, submit(t, p, fmt.Sprint(i)))
	}
	defer working(t, texts(target.Session(t)), "w1", echo)()
	defer working(t, texts(target.Session(t), tasks.WithConcurrency(3)), "w2", echo)()
	defer leading(t, texts(target.Session(t)))()
	for i, k := range ks {
		wants(t, k, fmt.Sprint(i)+"!")
	}
}

func TestFailures(t *testing.T) {
	target := zktest.Open(t)
	p := texts(target.Session(t), tasks.WithMaxAttempts(2), tasks.WithRetryAfter(noPause))
	defer leading(t, p)()
	attempts := make(map[string]int)
	defer working(t, p, "w1", func(_ context.Context, k task) (string, error) {
		attempts[k.Input]++
		if attempts[k.Input] != k.Attempt {
			t.Errorf("attempt %d at %s is said to be %d", attempts[k.Input], k.Input, k.Attempt)
		}
		switch k.Input {
		case "fails":
			return "", errors.New("no luck")
		case "fails once":
			if k.Attempt == 1 {
				return "", errors.New("not yet")
			}
		case "fails for good":
			return "", tasks.Permanent(errors.New("never"))
		case "panics":
			panic("at the disco")
		case "is large":
			return string(make([]byte, p.MaxSize()+1)), nil
		}
		return "ok", nil
	})()
	failing, once, good := submit(t, p, "fails"), submit(t, p, "fails once"), submit(t, p, "fails for good")
	panics, large, fine := submit(t, p, "panics"), submit(t, p, "is large"), submit(t, p, "is fine")
	fails(t, failing, "no luck")
	wants(t, once, "ok")
	fails(t, good, "never")
	fails(t, panics, "panic: at the disco")
	fails(t, large, "over the limit")
	wants(t, fine, "ok")
	for in, want := range map[string]int{"fails": 2, "fails once": 2, "fails for good": 1, "panics": 2, "is large": 1, "is fine": 1} {
		if attempts[in] != want {
			t.Errorf("%d attempts at what %s", attempts[in], in)
		}
	}
	s := target.Session(t)
	if got := data(t, s, path+"/tasks/"+failing.ID()+"/status"); got != "failed: no luck" {
		t.Errorf("the status is %q", got)
	}
}

func TestList(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	p := texts(s, tasks.WithMaxAttempts(1))
	if l, err := p.List(testkit.Soon(t)); len(l) != 0 || err != nil {
		t.Errorf("an empty pool has %v, %v", l, err)
	}
	started, goOn := make(chan struct{}), make(chan struct{})
	stop := working(t, p, "w1", func(ctx context.Context, k task) (string, error) {
		switch k.Input {
		case "fails":
			return "", errors.New("no luck")
		case "runs":
			close(started)
			<-goOn
		}
		return "", nil
	})
	lead := leading(t, p)
	wants(t, submit(t, p, "done"), "")
	fails(t, submit(t, p, "fails"), "no luck")
	submit(t, p, "runs")
	<-started
	submit(t, p, "waits")
	want := []tasks.Info{
		{ID: "task-0000000000", State: tasks.Done, Attempts: 1},
		{ID: "task-0000000001", State: tasks.Failed, Message: "no luck", Attempts: 1},
		{ID: "task-0000000002", State: tasks.Running, Worker: "w1", Attempts: 1},
		{ID: "task-0000000003", State: tasks.Pending},
	}
	got, err := p.List(testkit.Soon(t))
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	lead()
	close(goOn)
	stop()
}
