package ownership

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// owned is the part of every recipe's ownership that these tests use.
type owned interface {
	Context() context.Context
	Err() error
	Deadline() (time.Time, <-chan struct{})
}

// acquirers has one function per recipe, which acquires with a stop time.
var acquirers = map[string]func(ctx context.Context, s *session.Session, stop time.Duration) (owned, error){
	"lock.Mutex": func(ctx context.Context, s *session.Session, stop time.Duration) (owned, error) {
		return lock.New(s, "/r", lock.WithStopTime(stop)).Lock(ctx)
	},
	"lock.Mutex with handoff": func(ctx context.Context, s *session.Session, stop time.Duration) (owned, error) {
		return lock.New(s, "/r", lock.WithStopTime(stop), lock.WithLocalHandoff(3)).Lock(ctx)
	},
	"lock.RWMutex": func(ctx context.Context, s *session.Session, stop time.Duration) (owned, error) {
		return lock.NewRW(s, "/r", lock.WithStopTime(stop)).Lock(ctx)
	},
	"lock.Semaphore": func(ctx context.Context, s *session.Session, stop time.Duration) (owned, error) {
		return lock.NewSemaphore(s, "/r", 2, lock.WithStopTime(stop)).AcquireN(ctx, 2)
	},
	"lock.Multi": func(ctx context.Context, s *session.Session, stop time.Duration) (owned, error) {
		return lock.NewMulti(s, []string{"/a", "/b"}, lock.WithStopTime(stop)).Lock(ctx)
	},
	"election": func(ctx context.Context, s *session.Session, stop time.Duration) (owned, error) {
		return election.New(s, "/r", election.WithStopTime(stop)).Campaign(ctx)
	},
	"election with a fixed node": func(ctx context.Context, s *session.Session, stop time.Duration) (owned, error) {
		return election.New(s, "/r", election.WithFixedNode("leader"), election.WithStopTime(stop)).Campaign(ctx)
	},
	"naming.Slots": func(ctx context.Context, s *session.Session, stop time.Duration) (owned, error) {
		return naming.NewSlots(s, "/r", 1, naming.WithStopTime(stop)).Acquire(ctx)
	},
	"barrier.Double": func(ctx context.Context, s *session.Session, stop time.Duration) (owned, error) {
		for {
			e, err := barrier.NewDouble(s, "/r", 1, barrier.WithStopTime(stop)).Enter(ctx)
			if !errors.Is(err, barrier.ErrFull) {
				return e, err
			}
			time.Sleep(time.Millisecond)
		}
	},
	"queue": func(ctx context.Context, s *session.Session, stop time.Duration) (owned, error) {
		return queue.New(s, "/r", codec.Text(), queue.WithStopTime(stop)).Claim(ctx)
	},
}

// Ownership with a stop time ends that long before its deadline. No other session owns
// before the deadline, although the connection has recovered.
func TestStopTimeOfEveryRecipe(t *testing.T) {
	const timeout, stop = 10 * time.Second, 3 * time.Second
	for name, acquire := range acquirers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				a, b := srv.Session(t, session.WithTimeout(timeout)), srv.Session(t, session.WithTimeout(timeout))
				if name == "queue" {
					if _, err := queue.New(b, "/r", codec.Text()).Push(t.Context(), "item"); err != nil {
						t.Fatal(err)
					}
				}
				first, err := acquire(t.Context(), a, stop)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(timeout)
				reconnect := srv.Isolate(a.Status().ID)
				testkit.AwaitDone(t, first.Context())
				ended := time.Now()
				reconnect()
				deadline, _ := first.Deadline()
				if deadline.Sub(ended) != stop {
					t.Errorf("the ownership ended %v before the deadline", deadline.Sub(ended))
				}
				second, err := acquire(t.Context(), b, 0)
				if err != nil {
					t.Fatal(err)
				}
				if waited := time.Since(deadline); waited < 0 || waited > time.Second {
					t.Errorf("the next session owned %v after the deadline", waited)
				}
				if second.Err() != nil || first.Err() == nil {
					t.Errorf("first %v, second %v", first.Err(), second.Err())
				}
				if a.Status().Epoch != 1 {
					t.Error("the session has ended")
				}
			})
		})
	}
}

// Every recipe refuses a stop time that the session timeout does not allow.
func TestStopTimeOfEveryRecipeIsRefused(t *testing.T) {
	for name, acquire := range acquirers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := zktest.New(t).Session(t)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if _, err := acquire(ctx, s, s.MaxStopTime()+1); !errors.Is(err, session.ErrInvalid) {
					t.Errorf("%v", err)
				}
			})
		})
	}
}

// Work returns the refusal at once, before the worker's first task.
func TestStopTimeOfTasksIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := zktest.New(t).Session(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		pool := tasks.New(s, "/pool", codec.Text(), codec.Text())
		err := pool.Work(ctx, "w", func(context.Context, tasks.Task[string]) (string, error) { return "", nil },
			tasks.WithStopTime(s.MaxStopTime()+1))
		if !errors.Is(err, session.ErrInvalid) || ctx.Err() != nil {
			t.Errorf("%v", err)
		}
	})
}

// The context of a worker's handler is canceled the stop time before another worker can
// get the task.
func TestStopTimeOfTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const timeout, stop = 10 * time.Second, 3 * time.Second
		srv := zktest.New(t)
		sessions := make([]*session.Session, 3)
		for i := range sessions {
			sessions[i] = srv.Session(t, session.WithTimeout(timeout))
		}
		pool := func(i int) *tasks.Pool[string, string] {
			return tasks.New(sessions[i], "/pool", codec.Text(), codec.Text())
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		results := make(chan error)
		go func() { results <- pool(2).Master(ctx) }()
		type call struct{ began, canceled, deadline time.Time }
		calls := make(chan call, 2)
		work := func(ctx context.Context, k tasks.Task[string]) (string, error) {
			c := call{began: time.Now()}
			if k.Attempt == 1 {
				time.Sleep(timeout)
				reconnect := srv.Isolate(sessions[0].Status().ID)
				<-ctx.Done()
				c.canceled = time.Now()
				reconnect()
				c.deadline, _ = k.Deadline()
				time.Sleep(stop - time.Millisecond)
			}
			calls <- c
			return "", ctx.Err()
		}
		go func() { results <- pool(0).Work(ctx, "w", work, tasks.WithStopTime(stop)) }()
		if _, err := pool(2).Submit(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		first, second := <-calls, <-calls
		if left := first.deadline.Sub(first.canceled); left != stop {
			t.Errorf("the context was canceled %v before the deadline", left)
		}
		if again := second.began.Sub(first.canceled); again < stop-time.Millisecond {
			t.Errorf("the next attempt began %v after the context was canceled", again)
		}
		cancel()
		<-results
		<-results
	})
}
