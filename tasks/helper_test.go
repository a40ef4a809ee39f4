package tasks_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
)

func TestMain(m *testing.M) { testkit.Main(m) }

const path = "/pool"

type (
	task    = tasks.Task[string]
	ticket  = tasks.Ticket[string]
	handler = func(context.Context, task) (string, error)
)

// pool is a pool of strings, with options for its calls.
type pool struct {
	*tasks.Pool[string, string]
	work   []tasks.WorkOption
	master []tasks.MasterOption
}

// texts returns a pool with options of New, Work and Master.
func texts(s *session.Session, opts ...any) *pool {
	p := &pool{}
	var own []tasks.Option
	for _, opt := range opts {
		switch opt := opt.(type) {
		case tasks.WorkOption:
			p.work = append(p.work, opt)
		case tasks.MasterOption:
			p.master = append(p.master, opt)
		default:
			own = append(own, opt.(tasks.Option))
		}
	}
	p.Pool = tasks.New(s, path, codec.Text(), codec.Text(), own...)
	return p
}

func (p *pool) Work(ctx context.Context, id string, fn handler) error {
	return p.Pool.Work(ctx, id, fn, p.work...)
}

func (p *pool) Master(ctx context.Context) error { return p.Pool.Master(ctx, p.master...) }

// echo returns its input followed by an exclamation mark.
func echo(_ context.Context, t task) (string, error) { return t.Input + "!", nil }

// background runs f until stop is called, and fails the test if f returns for
// another reason.
func background(t testing.TB, f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stopped := false
	stop = func() {
		t.Helper()
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("it ended with %v", err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func leading(t testing.TB, p *pool) (stop func()) { return background(t, p.Master) }

func working(t testing.TB, p *pool, id string, fn handler) (stop func()) {
	return background(t, func(ctx context.Context) error { return p.Work(ctx, id, fn) })
}

func submit(t testing.TB, p *pool, in string) *ticket {
	t.Helper()
	k, err := p.Submit(testkit.Soon(t), in)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// wants waits for a result.
func wants(t testing.TB, k *ticket, want string) {
	t.Helper()
	if got, err := k.Wait(testkit.Soon(t)); err != nil || got != want {
		t.Errorf("%s: %q, %v, want %q", k.ID(), got, err, want)
	}
}

// fails waits for a failure.
func fails(t testing.TB, k *ticket, message string) {
	t.Helper()
	_, err := k.Wait(testkit.Soon(t))
	var te *tasks.TaskError
	if !errors.As(err, &te) || te.ID != k.ID() || !strings.Contains(te.Message, message) {
		t.Errorf("%s: %v, want the message %q", k.ID(), err, message)
	}
}

// data returns the data of a node, or "-" if the node does not exist.
func data(t testing.TB, s *session.Session, path string) string {
	t.Helper()
	if err := s.Sync(testkit.Soon(t), path); err != nil {
		t.Fatal(err)
	}
	d, _, err := s.Get(testkit.Soon(t), path)
	if errors.Is(err, session.ErrNoNode) {
		return "-"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(d)
}

func noPause(int) time.Duration { return 0 }
