package queue_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Curator's fault 3.23: the folder is removed, being empty, under a consumer that
// waits.
func TestFolderIsReaped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithContainerCheck(time.Second))
		a, b := srv.Session(t), srv.Session(t)
		mustPush(t, texts(a), "0")
		mustAck(t, mustClaim(t, texts(a), "0"))
		popped, claimed := make(chan string), make(chan *queue.Item[string])
		go func() {
			v, err := texts(b).Pop(testkit.Soon(t))
			if err != nil {
				t.Error(err)
			}
			popped <- v
		}()
		time.Sleep(time.Minute)
		if tree := srv.Tree(); strings.Contains(tree, path) {
			t.Fatalf("the folders are still there:\n%s", tree)
		}
		mustPush(t, texts(a), "1")
		if v := <-popped; v != "1" {
			t.Errorf("popped %q", v)
		}
		time.Sleep(time.Minute)
		go func() { claimed <- mustClaim(t, texts(b), "2") }()
		time.Sleep(time.Minute)
		mustPush(t, texts(a), "2")
		mustAck(t, <-claimed)
	})
}

// Curator's fault 3.15: behind 2147483647 comes -2147483648, or on servers of
// today 2147483647 again.
func TestSequenceWraps(t *testing.T) {
	for _, name := range []string{"native", "curator", "kazoo locking"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				s := srv.Session(t)
				q := texts(s, layouts[name]...)
				mustPush(t, q, "0")
				mustPop(t, q, "0")
				folder := map[string]string{"native": path + "/items", "curator": path, "kazoo locking": path + "/entries"}[name]
				srv.JumpSequence(folder, 1<<31-3)
				mustPush(t, q, "1", "2", "3", "4", "5", "6")
				if tree := srv.Tree(); !strings.Contains(tree, "--2147483648") || !strings.Contains(tree, "-2147483647") {
					t.Fatalf("the numbers have not wrapped:\n%s", tree)
				}
				mustPop(t, q, "1", "2", "3")
				if got := contents(t, q); got != "4 5 6" {
					t.Errorf("in the queue: %s", got)
				}
				mustPop(t, texts(s, layouts[name]...), "4", "5", "6")
			})
		})
	}
	t.Run("end", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			srv := zktest.New(t)
			q := texts(srv.Session(t))
			mustPush(t, q, "0")
			srv.JumpSequence(path+"/items", 1<<31-2)
			mustPush(t, q, "1")
			srv.EndSequence(path + "/items")
			mustPush(t, q, "2")
			mustPop(t, q, "0", "1", "2")
			mustPush(t, q, "3")
			mustPop(t, q, "3")
		})
	})
}

// Curator's fault 3.25: a permanent error is told at once, and makes nobody spin.
func TestNotAuthorized(t *testing.T) {
	calls := map[string]func(context.Context, *queue.Queue[string]) error{
		"Push":  func(ctx context.Context, q *queue.Queue[string]) error { _, err := q.Push(ctx, "x"); return err },
		"Pop":   func(ctx context.Context, q *queue.Queue[string]) error { _, err := q.Pop(ctx); return err },
		"PopN":  func(ctx context.Context, q *queue.Queue[string]) error { _, err := q.PopN(ctx, 2); return err },
		"Claim": func(ctx context.Context, q *queue.Queue[string]) error { _, err := q.Claim(ctx); return err },
		"Peek":  func(ctx context.Context, q *queue.Queue[string]) error { _, err := q.Peek(ctx); return err },
		"Consume": func(ctx context.Context, q *queue.Queue[string]) error {
			return q.Consume(ctx, func(context.Context, *queue.Item[string]) error { return nil })
		},
		"dead letters": func(ctx context.Context, q *queue.Queue[string]) error {
			for _, err := range q.DeadLetters(ctx) {
				return err
			}
			return nil
		},
	}
	for _, what := range []string{"folders", "writes"} {
		for name, call := range calls {
			t.Run(name+", "+what, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					srv := zktest.New(t)
					owner := srv.Session(t, session.WithAuth("digest", []byte("joe:secret")))
					q := texts(owner)
					mustPush(t, q, "x", "y")
					if err := mustClaim(t, q, "x").Bury(t.Context(), errors.New("reason")); err != nil {
						t.Fatal(err)
					}
					perms := session.PermAdmin
					if what == "writes" {
						perms |= session.PermRead
						if name == "Peek" || name == "dead letters" {
							return
						}
					}
					for _, dir := range []string{"items", "claims", "dead"} {
						acl := session.ACL{Perms: perms, Scheme: "world", ID: "anyone"}
						if _, err := owner.SetACL(t.Context(), path+"/"+dir, []session.ACL{acl}, session.AnyVersion); err != nil {
							t.Fatal(err)
						}
					}
					stranger := texts(srv.Session(t))
					srv.ResetRequests()
					start := time.Now()
					testkit.WantError(t, call(testkit.Within(t, time.Hour), stranger), session.ErrNoAuth)
					if d := time.Since(start); d > time.Second {
						t.Errorf("it took %v", d)
					}
					time.Sleep(time.Minute)
					if n := len(srv.Requests()); n > 60 { // proofs of the session's life among them
						t.Errorf("%d requests", n)
					}
				})
			})
		}
	}
}

// What is not connected is bounded by the context all the same, and it is known
// that nothing was sent.
func TestWithoutServer(t *testing.T) {
	calls := map[string]func(context.Context, *queue.Queue[string]) error{
		"Push":   func(ctx context.Context, q *queue.Queue[string]) error { _, err := q.Push(ctx, "x"); return err },
		"Pop":    func(ctx context.Context, q *queue.Queue[string]) error { _, err := q.Pop(ctx); return err },
		"TryPop": func(ctx context.Context, q *queue.Queue[string]) error { _, err := q.TryPop(ctx); return err },
		"Claim":  func(ctx context.Context, q *queue.Queue[string]) error { _, err := q.Claim(ctx); return err },
		"Peek":   func(ctx context.Context, q *queue.Queue[string]) error { _, err := q.Peek(ctx); return err },
		"Len":    func(ctx context.Context, q *queue.Queue[string]) error { _, err := q.Len(ctx); return err },
		"Consume": func(ctx context.Context, q *queue.Queue[string]) error {
			return q.Consume(ctx, func(context.Context, *queue.Item[string]) error { return nil })
		},
		"Requeue": func(ctx context.Context, q *queue.Queue[string]) error { return q.Requeue(ctx, "x") },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				q := texts(srv.Session(t))
				mustPush(t, q, "a", "b")
				mustPop(t, q, "a")
				srv.Stop()
				time.Sleep(time.Minute)
				start := time.Now()
				err := call(testkit.Within(t, 500*time.Millisecond), q)
				if d := time.Since(start); d != 500*time.Millisecond {
					t.Errorf("it took %v", d)
				}
				srv.Restart()
				if name == "Consume" { // whose context has ended
					testkit.WantError(t, err, nil)
					return
				}
				testkit.WantError(t, err, context.DeadlineExceeded)
				if errors.Is(err, session.ErrUnknown) || !strings.Contains(err.Error(), "not connected") {
					t.Errorf("error is %v", err)
				}
			})
		})
	}
}

func TestSessionIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		q := texts(s)
		errs := make(chan error, 2)
		go func() { _, err := q.Pop(testkit.Soon(t)); errs <- err }()
		go func() { _, err := q.Claim(testkit.Soon(t)); errs <- err }()
		time.Sleep(time.Second)
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		testkit.WantError(t, <-errs, session.ErrClosed)
		testkit.WantError(t, <-errs, session.ErrClosed)
		_, err := q.Push(t.Context(), "x")
		testkit.WantError(t, err, session.ErrClosed)
	})
}

// A wait goes on through outages and through the end of sessions.
func TestWaitSurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		popped := make(chan string)
		go func() {
			v, err := texts(s).Pop(testkit.Soon(t))
			if err != nil {
				t.Error(err)
			}
			popped <- v
		}()
		for _, disturb := range []func(){
			func() { srv.Expire(s.Status().ID) },
			func() { srv.Stop(); time.Sleep(2 * time.Second); srv.Restart() },
			func() { heal := srv.Partition(s.Status().ID); time.Sleep(time.Minute); heal() },
		} {
			time.Sleep(10 * time.Second)
			disturb()
		}
		time.Sleep(10 * time.Second)
		mustPush(t, texts(srv.Session(t)), "x")
		if v := <-popped; v != "x" {
			t.Errorf("popped %q", v)
		}
	})
}
