package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file need faults or virtual time, and so the embedded server.

// block returns a handler that sends its context to began and returns when the
// context ends.
func block(began chan<- context.Context) handler {
	return func(ctx context.Context, _ task) (string, error) {
		began <- ctx
		<-ctx.Done()
		return "", context.Cause(ctx)
	}
}

// After a worker has died during an attempt, another one gets the task as soon as
// the servers know of the death. The attempt is counted.
func TestWorkerDies(t *testing.T) {
	ends := map[string]func(*zktest.Server, *session.Session){
		"expired":     func(srv *zktest.Server, s *session.Session) { srv.Expire(s.Status().ID) },
		"partitioned": func(srv *zktest.Server, s *session.Session) { srv.Partition(s.Status().ID) },
		"closed":      func(_ *zktest.Server, s *session.Session) { s.Close(context.Background()) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				a, b := srv.Session(t), srv.Session(t)
				defer leading(t, texts(b))()
				began := make(chan context.Context, 1)
				var first context.Context
				attempts := make(chan int, 1)
				h := func(ctx context.Context, k task) (string, error) {
					if k.Attempt == 1 {
						return block(began)(ctx, k)
					}
					time.Sleep(time.Millisecond) // no clock foretells that a server ends a session before its time
					if first.Err() == nil {
						t.Error("the first handler's context has not ended")
					}
					attempts <- k.Attempt
					return "", nil
				}
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- texts(a).Work(ctx, "a", h) }()
				k := submit(t, texts(b), "x")
				first = <-began
				defer working(t, texts(b), "b", h)() // either may have it then
				time.Sleep(time.Minute)
				start := time.Now()
				end(srv, a)
				wants(t, k, "")
				if d := time.Since(start); name != "partitioned" && d > time.Second || d > 12*time.Second {
					t.Errorf("done after %v", d)
				}
				if n := <-attempts; n != 2 {
					t.Errorf("attempt %d", n)
				}
				switch err := context.Cause(first); {
				case name == "closed" && errors.Is(err, tasks.ErrStopped):
				default:
					testkit.WantError(t, err, tasks.ErrLost)
				}
				cancel()
				if err := <-ended; err != nil && !errors.Is(err, session.ErrClosed) {
					t.Errorf("Work: %v", err)
				}
			})
		})
	}
}

// A task that kills every worker is tried no more often than others.
func TestTaskThatKillsItsWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		m, w := srv.Session(t), srv.Session(t)
		defer leading(t, texts(m))()
		var attempts []int
		defer working(t, texts(w), "w", func(ctx context.Context, k task) (string, error) {
			attempts = append(attempts, k.Attempt)
			srv.Expire(w.Status().ID)
			<-ctx.Done()
			return "", nil // which does not count
		})()
		fails(t, submit(t, texts(m), "x"), "died or lost its claim at attempt 3")
		if fmt.Sprint(attempts) != "[1 2 3]" {
			t.Errorf("attempts %v", attempts)
		}
	})
}

// No other worker gets a task whose handler still runs, even if the worker's node
// was deleted by hand.
func TestWorkerIsRemovedByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		defer leading(t, texts(b))()
		goOn := make(chan struct{})
		var running atomic.Int32
		h := func(context.Context, task) (string, error) {
			if running.Add(1) > 1 {
				t.Error("two handlers run")
			}
			defer running.Add(-1)
			<-goOn
			return "", nil
		}
		defer working(t, texts(a), "a", h)()
		k := submit(t, texts(b), "x")
		synctest.Wait()
		defer working(t, texts(b), "b", h)()
		for range 20 {
			if err := b.Delete(t.Context(), path+"/workers/a", session.AnyVersion); err != nil && !errors.Is(err, session.ErrNoNode) {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		close(goOn)
		wants(t, k, "")
	})
}

// If a client deletes a claim, the worker loses the task and is notified.
func TestClaimIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, other := srv.Session(t), srv.Session(t)
		defer leading(t, texts(other))()
		began := make(chan context.Context)
		defer working(t, texts(s), "w", func(ctx context.Context, k task) (string, error) {
			if k.Attempt == 1 {
				return block(began)(ctx, k)
			}
			return fmt.Sprint(k.Attempt), nil
		})()
		k := submit(t, texts(other), "x")
		ctx := <-began
		if err := other.Delete(t.Context(), path+"/assign/w/"+k.ID()+"/claim", session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
		testkit.WantError(t, context.Cause(ctx), tasks.ErrLost)
		testkit.WantError(t, context.Cause(ctx), session.ErrNoNode)
		wants(t, k, "2")
	})
}

// A worker that is stopped returns its tasks, and the attempts are not counted.
func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, other := srv.Session(t), srv.Session(t)
		p := texts(other)
		began := make(chan context.Context, 2)
		stop := working(t, texts(s, tasks.WithConcurrency(2)), "a", block(began))
		lead := leading(t, p)
		k, l := submit(t, p, "x"), submit(t, p, "y")
		<-began
		<-began
		defer srv.Inject(zktest.Rule{Path: path + "/workers/a", Delay: time.Second})() // it is slow to go
		stopped := make(chan struct{})
		go func() { defer close(stopped); stop() }()
		time.Sleep(500 * time.Millisecond)
		lead()
		<-stopped
		if tree := srv.Tree(); strings.Contains(tree, path+"/assign/") || strings.Contains(tree, "/attempts") {
			t.Errorf("left:\n%s", tree)
		}
		defer leading(t, p)()
		defer working(t, p, "b", func(_ context.Context, k task) (string, error) { return fmt.Sprint(k.Attempt), nil })()
		wants(t, k, "1")
		wants(t, l, "1")
	})
}

// A handler's result counts while its claim lasts, even when the worker is being
// stopped.
func TestResultCountsWhileStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		p := texts(srv.Session(t))
		defer leading(t, p)()
		began := make(chan context.Context)
		stop := working(t, p, "w", func(ctx context.Context, _ task) (string, error) {
			began <- ctx
			<-ctx.Done()
			time.Sleep(time.Minute)
			return "done", nil
		})
		k := submit(t, p, "x")
		<-began
		stop()
		wants(t, k, "done")
	})
}

// A failed attempt is followed by a pause, which the next master observes, too.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		p := texts(srv.Session(t), tasks.WithMaxAttempts(4), tasks.WithRetryAfter(func(n int) time.Duration { return time.Duration(n) * time.Minute }))
		lead := leading(t, p)
		began := make(chan time.Time, 10)
		defer working(t, p, "w", func(context.Context, task) (string, error) {
			began <- time.Now()
			return "", errors.New("no luck")
		})()
		k := submit(t, p, "x")
		first := <-began
		second := <-began
		if d := second.Sub(first); d < time.Minute || d > time.Minute+time.Second {
			t.Errorf("tried again after %v", d)
		}
		time.Sleep(time.Minute)
		lead()
		start := time.Now()
		defer leading(t, p)()
		third := <-began
		if d := third.Sub(start); d < 2*time.Minute || d > 2*time.Minute+time.Second {
			t.Errorf("tried again %v after the new master came", d)
		}
		_, err := k.Wait(t.Context())
		var te *tasks.TaskError
		if !errors.As(err, &te) || te.Message != "no luck" {
			t.Errorf("%v", err)
		}
	})
}

// A master that was deposed writes nothing any more, also before it is notified.
func TestDeposedMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b, s := srv.Session(t), srv.Session(t), srv.Session(t)
		p := texts(s)
		defer leading(t, texts(a))()
		defer working(t, p, "w", echo)()
		wants(t, submit(t, p, "1"), "1!")
		synctest.Wait()
		// Its next assignment is on its way for a long time.
		remove := srv.Inject(zktest.Rule{Op: "multi", Session: a.Status().ID, Nth: 1, Delay: 5 * time.Second})
		hung := submit(t, p, "2")
		synctest.Wait()
		if err := s.Delete(t.Context(), path+"/master", session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		defer leading(t, texts(b))()
		wants(t, hung, "2!")
		synctest.Wait()
		time.Sleep(10 * time.Second)
		remove()
		if tree := srv.Tree(); strings.Contains(tree, path+"/assign/w/") {
			t.Errorf("the old master has assigned it once more:\n%s", tree)
		}
		wants(t, submit(t, p, "3"), "3!")
	})
}

// Nor does a master that was deposed by hand and followed by another one, although
// its node has the same version as that of the present master.
func TestDeposedMasterIsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b, s := srv.Session(t), srv.Session(t), srv.Session(t)
		h := hand{t, s}
		h.setUp()
		h.create(path+"/workers/w", "", session.Ephemeral())
		h.create(path+"/assign/w", "")
		stop := leading(t, texts(a))
		settle()
		defer srv.Inject(zktest.Rule{Op: "multi", Session: a.Status().ID, Nth: 1, Delay: 3 * time.Second})()
		k := submit(t, texts(s), "x")
		synctest.Wait()
		h.delete(path + "/master")
		other := leading(t, texts(b))
		h.awaits(path+"/assign/w", k.ID())
		h.create(path+"/tasks/"+k.ID()+"/status", "done")
		h.awaits(path+"/assign/w", "")
		other()
		h.create(path+"/master", "", session.Ephemeral())
		e, err := s.Epoch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, _, w, err := e.WatchChildren(t.Context(), path+"/assign/w")
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		time.Sleep(10 * time.Second)
		select {
		case <-w.Fired():
			t.Error("it has been assigned once more")
		default:
		}
		stop()
	})
}

// A task that is deleted while it is being assigned is not assigned.
func TestTaskIsDeletedWhileAssigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, s := srv.Session(t), srv.Session(t)
		h := hand{t, s}
		h.setUp()
		h.create(path+"/workers/w", "", session.Ephemeral())
		h.create(path+"/assign/w", "")
		defer leading(t, texts(a))()
		settle()
		remove := srv.Inject(zktest.Rule{Op: "multi", Session: a.Status().ID, Nth: 1, Delay: time.Second})
		k := submit(t, texts(s), "x")
		synctest.Wait()
		h.delete(path + "/tasks/" + k.ID())
		time.Sleep(5 * time.Second)
		remove()
		if tree := srv.Tree(); strings.Contains(tree, path+"/assign/w/") {
			t.Errorf("it is assigned:\n%s", tree)
		}
	})
}

// One of several candidates is the master. When it dies, another one is elected.
func TestMastersDie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		p := texts(s)
		defer working(t, p, "w", echo)()
		candidates := []*session.Session{srv.Session(t), srv.Session(t), srv.Session(t)}
		for _, c := range candidates {
			defer leading(t, texts(c))()
		}
		for i := range 20 {
			time.Sleep(10 * time.Second) // a master that does not last waits before it is one again
			st, exists, err := s.Exists(t.Context(), path+"/master")
			if err != nil || !exists {
				t.Fatalf("no master: %v", err)
			}
			srv.Expire(st.EphemeralOwner)
			in := fmt.Sprint(i)
			start := time.Now()
			wants(t, submit(t, p, in), in+"!")
			if d := time.Since(start); d > time.Second {
				t.Errorf("done after %v", d)
			}
		}
	})
}

// Finished tasks that are too old, and the oldest of too many, are removed with all
// their nodes. Calls that wait for one of them then return ErrNoTask.
func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		p := texts(srv.Session(t), tasks.WithRetention(3, time.Hour), tasks.WithMaxAttempts(2))
		lead := leading(t, p)
		defer working(t, p, "w", func(_ context.Context, k task) (string, error) {
			if k.Input == "1" {
				return "", errors.New("no luck")
			}
			return k.Input, nil
		})()
		count := func() int { synctest.Wait(); return strings.Count(srv.Tree(), "/status ") }
		var ks []*ticket
		for i := range 5 {
			ks = append(ks, submit(t, p, fmt.Sprint(i)))
			ks[i].Wait(t.Context())
			time.Sleep(10 * time.Minute)
		}
		if n := count(); n != 3 {
			t.Errorf("%d finished tasks are kept", n)
		}
		for _, k := range ks[:2] {
			_, err := k.Wait(t.Context())
			testkit.WantError(t, err, tasks.ErrNoTask)
		}
		wants(t, ks[2], "2")
		time.Sleep(30 * time.Minute) // that one is an hour old
		if n := count(); n != 2 {
			t.Errorf("%d finished tasks are kept after an hour", n)
		}
		lead()
		defer leading(t, p)() // a new master knows how old they are
		time.Sleep(11 * time.Minute)
		if n := count(); n != 1 {
			t.Errorf("%d finished tasks are kept by the next master", n)
		}
		time.Sleep(11 * time.Minute)
		if n := count(); n != 0 || strings.Contains(srv.Tree(), path+"/tasks/") {
			t.Errorf("left:\n%s", srv.Tree())
		}
	})
}

// The numbers of tasks continue below zero after the greatest number, and the order
// is kept.
func TestNumbersWrap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		p := texts(s)
		var order []string
		defer working(t, p, "w", func(_ context.Context, k task) (string, error) {
			order = append(order, k.Input)
			return "", nil
		})()
		lead := leading(t, p)
		wants(t, submit(t, p, "first"), "")
		srv.JumpSequence(path+"/tasks", 1<<31-3)
		lead()
		var ks []*ticket
		for i := range 6 {
			ks = append(ks, submit(t, p, fmt.Sprint(i)))
		}
		if ks[5].ID() != "task--2147483646" && ks[5].ID() != "task--2147483645" {
			t.Errorf("the last is %s", ks[5].ID())
		}
		defer leading(t, p)()
		for _, k := range ks {
			wants(t, k, "")
		}
		for i := range 6 {
			wants(t, submit(t, p, fmt.Sprint(6+i)), "")
		}
		if got := strings.Join(order, " "); got != "first 0 1 2 3 4 5 6 7 8 9 10 11" {
			t.Errorf("done in the order %s", got)
		}
	})
}

// A worker that has returned and runs its task keeps it, although the master was
// about to take it back.
func TestWorkerIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		m, a, b := srv.Session(t), srv.Session(t), srv.Session(t)
		defer leading(t, texts(m))()
		var running atomic.Int32
		h := func(ctx context.Context, k task) (string, error) {
			if running.Add(1) > 1 {
				t.Error("two handlers run")
			}
			defer running.Add(-1)
			select {
			case <-time.After(20 * time.Second):
				return fmt.Sprint(k.Attempt), nil
			case <-ctx.Done():
				return "", context.Cause(ctx)
			}
		}
		defer working(t, texts(a), "a", h)()
		time.Sleep(time.Second)
		k := submit(t, texts(b), "x")
		time.Sleep(time.Second)
		defer working(t, texts(b), "b", h)()
		time.Sleep(time.Second)
		// The worker comes back while the master is about to take the task from it.
		defer srv.Inject(zktest.Rule{Op: "create2", Path: path + "/workers/a", Delay: time.Second})()
		remove := srv.Inject(zktest.Rule{Op: "multi", Session: m.Status().ID, Nth: 1, Delay: 2 * time.Second})
		srv.Expire(a.Status().ID)
		time.Sleep(10 * time.Second)
		remove()
		wants(t, k, "2")
	})
}

// An inbox that the master may not read may hold tasks, so the master assigns none.
func TestInboxMayNotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, owner := srv.Session(t), srv.Session(t)
		h := hand{t, owner}
		h.setUp()
		h.create(path+"/assign/a", "")
		h.create(path+"/assign/a/task-0000000000", "")
		h.create(path+"/tasks/task-", "x", session.Sequential())
		h.create(path+"/workers/b", "", session.Ephemeral())
		if _, err := owner.SetACL(t.Context(), path+"/assign/a", []session.ACL{{Perms: session.PermAdmin, Scheme: "world", ID: "anyone"}}, session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		testkit.WantError(t, texts(s).Master(t.Context()), session.ErrNoAuth)
		if tree := srv.Tree(); strings.Contains(tree, path+"/assign/b/") || strings.Contains(tree, path+"/master ") {
			t.Errorf("the tree is\n%s", tree)
		}
	})
}

// A finished task is not run again, whichever client assigns it.
func TestFinishedTaskIsAssigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		h := hand{t, s}
		h.setUp()
		h.create(path+"/tasks/task-0000000000", "x")
		h.create(path+"/tasks/task-0000000000/status", "done")
		defer working(t, texts(srv.Session(t)), "w", func(context.Context, task) (string, error) {
			t.Error("it is carried out")
			return "", nil
		})()
		settle()
		h.create(path+"/assign/w/task-0000000000", "")
		h.awaits(path+"/assign/w", "")
	})
}

// The claims that a worker has lost are counted even if it is interrupted
// afterwards.
func TestInterruptedAfterLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		p := texts(b)
		defer leading(t, p)()
		began := make(chan context.Context, 1)
		stop := working(t, texts(a), "a", block(began))
		k := submit(t, p, "x")
		<-began
		srv.Expire(a.Status().ID)
		<-began
		stop()
		defer working(t, p, "b", func(_ context.Context, k task) (string, error) { return fmt.Sprint(k.Attempt), nil })()
		wants(t, k, "2")
	})
}

// ErrNoTask is returned only after the server has caught up with its leader.
func TestNoTaskForSure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		p := texts(srv.Session(t))
		_, err := p.Ticket("task-0000000000").Wait(t.Context())
		testkit.WantError(t, err, tasks.ErrNoTask)
		synced := false
		for _, r := range srv.Requests() {
			synced = synced || r.Op == "sync"
		}
		if !synced {
			t.Error("no sync was sent")
		}
	})
}

// No task is missed that is submitted while the master has no watch.
func TestSubmittedBetweenWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		m, s := srv.Session(t), srv.Session(t)
		p := texts(s)
		defer leading(t, texts(m))()
		defer working(t, p, "w", echo)()
		wants(t, submit(t, p, "0"), "0!")
		defer srv.Inject(zktest.Rule{Op: "setWatches", Session: m.Status().ID, Delay: time.Second})()
		for i := range 5 {
			submit(t, p, "x")
			time.Sleep(500 * time.Millisecond)
			in := fmt.Sprint(i)
			wants(t, submit(t, p, in), in+"!")
		}
	})
}

// A task that kills its worker is tried no more often even if no master takes it back.
func TestTaskThatKillsItsWorkersByHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		w := srv.Session(t)
		h := hand{t, srv.Session(t)}
		h.setUp()
		p := texts(h.Session)
		var attempts []int
		defer working(t, texts(w), "w", func(ctx context.Context, k task) (string, error) {
			attempts = append(attempts, k.Attempt)
			srv.Expire(w.Status().ID)
			<-ctx.Done()
			return "", nil
		})()
		settle()
		k := submit(t, p, "x")
		h.create(path+"/assign/w/"+k.ID(), "")
		fails(t, k, "died or lost its claim at attempt 3")
		if fmt.Sprint(attempts) != "[1 2 3]" {
			t.Errorf("attempts %v", attempts)
		}
	})
}

// A task whose last attempt dies has failed, although no worker is left to record
// it.
func TestLastWorkerDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, w := srv.Session(t), srv.Session(t)
		p := texts(s, tasks.WithMaxAttempts(1))
		defer leading(t, p)()
		began := make(chan context.Context, 1)
		ended := make(chan error)
		go func() { ended <- texts(w, tasks.WithMaxAttempts(1)).Work(t.Context(), "w", block(began)) }()
		k := submit(t, p, "x")
		<-began
		w.Close(t.Context())
		testkit.WantError(t, <-ended, session.ErrClosed)
		fails(t, k, "died or lost its claim at attempt 1")
	})
}

// A worker dies during the last attempt, and a status is written by hand before the
// master writes one.
func TestStatusByHandOfDeadWorker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, w := srv.Session(t), srv.Session(t)
		h := hand{t, s}
		p := texts(s, tasks.WithMaxAttempts(1))
		defer leading(t, p)()
		began := make(chan context.Context, 1)
		ended := make(chan error)
		go func() { ended <- texts(w, tasks.WithMaxAttempts(1)).Work(t.Context(), "w", block(began)) }()
		k := submit(t, p, "x")
		<-began
		h.create(path+"/tasks/"+k.ID()+"/status", "done")
		w.Close(t.Context())
		<-ended
		wants(t, k, "")
		settle()
		if tree := srv.Tree(); strings.Contains(tree, path+"/assign/w") {
			t.Errorf("left:\n%s", tree)
		}
	})
}

// The inbox of a worker that has gone may be impossible to delete because of a
// foreign node. It is tried again after pauses that grow from half a second to
// half a minute.
func TestPauseOfClearingGrows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		m, other := srv.Session(t), srv.Session(t)
		if _, _, err := other.Create(t.Context(), path+"/assign/gone/foreign", nil, session.Parents()); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var tries []time.Time
		defer srv.Fault(func(r zktest.Request) zktest.Fault {
			if r.Op == "multi" && r.Session == m.Status().ID && r.Path == path+"/master" { // a write of the master
				mu.Lock()
				defer mu.Unlock()
				tries = append(tries, time.Now())
			}
			return zktest.Pass
		})()
		defer leading(t, texts(m))()
		time.Sleep(time.Minute / 5)
		mu.Lock()
		settled := len(tries)
		mu.Unlock()
		time.Sleep(5 * time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if n := len(tries) - settled; n < 8 || n > 14 {
			t.Errorf("tried %d times in five minutes", n)
		}
		for pause := 8 * time.Second; settled < len(tries)-1; settled++ {
			if got := tries[settled+1].Sub(tries[settled]); got < pause || got > 31*time.Second {
				t.Errorf("a pause of %v, want %v at least", got, pause)
			}
			pause = min(2*pause, 30*time.Second)
		}
	})
}

// A worker that leaves takes its inbox with it. The master, which may have listed the
// workers before that, does not create the inbox again.
func TestNoInboxForWorkerThatHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		m, w := srv.Session(t), srv.Session(t)
		defer leading(t, texts(m))()
		synctest.Wait()

		var left, checked bool
		defer srv.Fault(func(r zktest.Request) zktest.Fault {
			tree := srv.Tree()
			switch {
			case left && !checked:
				checked = true
				if strings.Contains(tree, path+"/assign/w") {
					t.Errorf("the inbox of a worker that has left exists:\n%s", tree)
				}
			case !left && r.Session == m.Status().ID && r.Op == "multi" && strings.Contains(tree, path+"/workers/w"):
				left = true
				srv.Expire(w.Status().ID)
			}
			return zktest.Pass
		})()
		// A worker that has not created its inbox yet.
		if _, _, err := w.Create(t.Context(), path+"/workers/w", nil, session.Ephemeral()); err != nil {
			t.Fatal(err)
		}
		settle()
		if !checked {
			t.Error("the master did not try to create the inbox")
		}
	})
}
