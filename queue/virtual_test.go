package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file need faults or virtual time, and so the embedded
// server.

// Curator's fault 3.4: a put whose reply was lost makes two nodes. Here it is known
// to be done even when the item has been taken before the producer could ask.
func TestPushedItemIsTakenBeforeTheProducerKnows(t *testing.T) {
	for name, opts := range layouts {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				producer, consumer := texts(srv.Session(t), opts...), texts(srv.Session(t), opts...)
				mustPush(t, producer, "0") // makes the folders and the receipt
				mustPop(t, consumer, "0")
				lost := false
				srv.Fault(func(r zktest.Request) zktest.Fault {
					if writes(r) && !lost {
						lost = true
						return zktest.DropReply
					}
					return zktest.Pass
				})
				srv.Inject(zktest.Rule{Op: "connect", Delay: time.Second})
				pushed := make(chan error)
				var id string
				go func() {
					var err error
					id, err = producer.Push(soon(t), "x")
					pushed <- err
				}()
				mustPop(t, consumer, "x")
				if err := <-pushed; err != nil {
					t.Errorf("Push: %v", err)
				}
				if name == "native" && id == "" {
					t.Error("no id")
				}
				wantEmpty(t, consumer)
			})
		})
	}
}

func writes(r zktest.Request) bool {
	return r.Op == "multi" || strings.HasPrefix(r.Op, "create") || r.Op == "delete" || r.Op == "setData"
}

// Curator's fault 3.4: items are lost when the reply to their removal is, and
// doubled when the reply to their creation is.
func TestEveryReplyIsLostOnce(t *testing.T) {
	for name, opts := range layouts {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				q := texts(srv.Session(t), opts...)
				mustPush(t, q, "first") // makes the folders
				if name == "curator" {
					mustPop(t, q, "first")
				} else {
					mustAck(t, mustClaim(t, q, "first"))
				}
				n := 0
				srv.Fault(func(r zktest.Request) zktest.Fault {
					if !writes(r) {
						return zktest.Pass
					}
					n++
					return []zktest.Fault{zktest.DropReply, zktest.Pass, zktest.Refuse}[n%3]
				})
				for i := range 10 {
					mustPush(t, q, fmt.Sprint(i))
				}
				for i := range 10 {
					mustPop(t, q, fmt.Sprint(i))
				}
				wantEmpty(t, q)
			})
		})
	}
}

// Curator's fault 3.5: a lock whose reply was lost is taken for another
// consumer's, and its item is stuck as long as the session lives.
func TestClaimWhoseReplyIsLostIsOurs(t *testing.T) {
	for _, name := range []string{"native", "curator locks", "kazoo locking"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				q := texts(srv.Session(t), layouts[name]...)
				mustPush(t, q, "x", "y")
				mustAck(t, mustClaim(t, q, "x"))
				srv.Inject(zktest.Rule{Op: "multi", Nth: 1, Fault: zktest.DropReply})
				start := time.Now()
				item := mustClaim(t, q, "y")
				mustAck(t, item)
				if d := time.Since(start); d > time.Second {
					t.Errorf("it took %v", d)
				}
				wantEmpty(t, q)
			})
		})
	}
}

// Curator's fault 3.19: another consumer's lock vanishes, and nobody is woken.
func TestConsumerDies(t *testing.T) {
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
				qa, qb := texts(a), texts(b)
				mustPush(t, qb, "x")
				item := mustClaim(t, qa, "x")
				next := make(chan *queue.Item[string])
				go func() { next <- mustClaim(t, qb, "x") }()
				time.Sleep(time.Minute)
				start := time.Now()
				end(srv, a)
				second := <-next
				if d := time.Since(start); name != "partitioned" && d > time.Millisecond || d > 11*time.Second {
					t.Errorf("claimed again after %v", d)
				}
				if second.Attempt != 2 {
					t.Errorf("attempt %d", second.Attempt)
				}
				<-item.Context().Done()
				wantError(t, item.Err(), queue.ErrLost)
				wantError(t, item.Ack(t.Context()), queue.ErrLost)
				wantError(t, item.Nack(t.Context()), queue.ErrLost)
				wantError(t, item.Bury(t.Context(), errors.New("late")), queue.ErrLost)
				mustAck(t, second)
				wantEmpty(t, qb)
				if ls := dead(t, qb); len(ls) > 0 {
					t.Errorf("dead letters: %v", ls)
				}
			})
		})
	}
}

// Whoever removes a claim takes the item away from its consumer, who hears of it.
func TestClaimIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, other := srv.Session(t), srv.Session(t)
		q := texts(s)
		mustPush(t, q, "x")
		item := mustClaim(t, q, "x")
		names, _, err := other.Children(t.Context(), path+"/claims")
		if err != nil || len(names) != 1 {
			t.Fatal(names, err)
		}
		if err := other.Delete(t.Context(), path+"/claims/"+names[0], session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		<-item.Context().Done()
		wantError(t, item.Err(), queue.ErrLost)
		wantError(t, item.Err(), session.ErrNoNode)
		mustAck(t, mustClaim(t, q, "x")) // it has its old place in this process, too
	})
}

// An acknowledgement that comes when the claim has passed to another is none,
// though the claim's node has the same name.
func TestAckOfAnothersClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		mustPush(t, texts(a), "x")
		item := mustClaim(t, texts(a), "x")
		srv.Inject(zktest.Rule{Op: "multi", Session: a.Status().ID, Nth: 1, Delay: time.Second})
		acked := make(chan error)
		go func() { acked <- item.Ack(soon(t)) }()
		synctest.Wait()
		names, _, _ := b.Children(t.Context(), path+"/claims")
		if err := b.Delete(t.Context(), path+"/claims/"+names[0], session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		second := mustClaim(t, texts(b), "x")
		wantError(t, <-acked, queue.ErrLost)
		mustAck(t, second)
	})
}

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
			v, err := texts(b).Pop(soon(t))
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
func TestNotAuthorised(t *testing.T) {
	calls := map[string]func(context.Context, *queue.Queue[string]) error{
		"Push":    func(ctx context.Context, q *queue.Queue[string]) error { _, err := q.Push(ctx, "x"); return err },
		"Pop":     func(ctx context.Context, q *queue.Queue[string]) error { _, err := q.Pop(ctx); return err },
		"PopN":    func(ctx context.Context, q *queue.Queue[string]) error { _, err := q.PopN(ctx, 2); return err },
		"Claim":   func(ctx context.Context, q *queue.Queue[string]) error { _, err := q.Claim(ctx); return err },
		"Peek":    func(ctx context.Context, q *queue.Queue[string]) error { _, err := q.Peek(ctx); return err },
		"Consume": func(ctx context.Context, q *queue.Queue[string]) error { return q.Consume(ctx, nil) },
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
					wantError(t, call(within(t, time.Hour), stranger), session.ErrNoAuth)
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

func TestNotBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		q, other := texts(srv.Session(t)), texts(srv.Session(t))
		start := time.Now()
		push := func(v string, d time.Duration, opts ...queue.PushOption) {
			if _, err := other.Push(t.Context(), v, append(opts, queue.NotBefore(start.Add(d)))...); err != nil {
				t.Fatal(err)
			}
		}
		push("10s", 10*time.Second)
		push("5s", 5*time.Second, queue.Priority(3))
		push("5.0005s", 5*time.Second+500*time.Microsecond)
		push("past", -time.Hour)
		push("1960", -time.Since(time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC)))
		mustPop(t, q, "past", "1960")
		wantEmpty(t, q)
		for _, want := range []struct {
			v  string
			at time.Duration
		}{{"5s", 5 * time.Second}, {"5.0005s", 5001 * time.Millisecond}, {"10s", 10 * time.Second}} {
			mustPop(t, q, want.v)
			if d := time.Since(start); d != want.at {
				t.Errorf("%s came after %v", want.v, d)
			}
		}
		// Once due, an item stands where it would have stood.
		start = time.Now()
		push("first", time.Second)
		mustPush(t, other, "second")
		time.Sleep(time.Second)
		mustPop(t, q, "first", "second")
	})
}

// A consumer that waits for a delayed item hears of one that comes before it.
func TestEarlierItemComesWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		q, other := texts(srv.Session(t)), texts(srv.Session(t))
		start := time.Now()
		for i, d := range []time.Duration{time.Hour, time.Minute} {
			time.AfterFunc(time.Duration(i)*time.Second, func() {
				if _, err := other.Push(t.Context(), d.String(), queue.NotBefore(start.Add(d))); err != nil {
					t.Error(err)
				}
			})
		}
		for _, want := range []time.Duration{time.Minute, time.Hour} {
			v, err := q.Pop(within(t, 2*time.Hour))
			if d := time.Since(start); v != want.String() || err != nil || d != want {
				t.Errorf("popped %q, %v after %v, want %v", v, err, d, want)
			}
		}
	})
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
				err := call(within(t, 500*time.Millisecond), q)
				if d := time.Since(start); d != 500*time.Millisecond {
					t.Errorf("it took %v", d)
				}
				wantError(t, err, context.DeadlineExceeded)
				if errors.Is(err, session.ErrUnknown) || !strings.Contains(err.Error(), "not connected") {
					t.Errorf("error is %v", err)
				}
				srv.Restart()
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
		go func() { _, err := q.Pop(soon(t)); errs <- err }()
		go func() { _, err := q.Claim(soon(t)); errs <- err }()
		time.Sleep(time.Second)
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantError(t, <-errs, session.ErrClosed)
		wantError(t, <-errs, session.ErrClosed)
		_, err := q.Push(t.Context(), "x")
		wantError(t, err, session.ErrClosed)
	})
}

// A wait goes on through outages and through the end of sessions.
func TestWaitSurvives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		popped := make(chan string)
		go func() {
			v, err := texts(s).Pop(soon(t))
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

// A corrupt item never stops the queue: it becomes a dead letter, and the others
// come.
func TestCorruptItems(t *testing.T) {
	for name, opts := range layouts {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				s := srv.Session(t)
				raw := queue.New(s, path, codec.Bytes(), opts...)
				q := queue.New(s, path, codec.JSON[int](), opts...)
				for _, data := range []string{"{", "1", "x", "2", "3", "\xff"} {
					if _, err := raw.Push(t.Context(), []byte(data)); err != nil {
						t.Fatal(err)
					}
				}
				corrupt := 3
				if strings.HasPrefix(name, "curator") {
					corrupt++
					if _, _, err := s.Create(t.Context(), path+"/queue-", []byte("not framed"), session.Sequential()); err != nil {
						t.Fatal(err)
					}
				}
				if v, err := q.Peek(t.Context()); v != 1 || err != nil {
					t.Errorf("Peek: %d, %v", v, err)
				}
				var all []string
				for e, err := range q.All(t.Context()) {
					if errors.Is(err, queue.ErrCorrupt) {
						all = append(all, "corrupt")
					} else {
						all = append(all, fmt.Sprint(e.Value, err))
					}
				}
				want := []string{"corrupt", "1 <nil>", "corrupt", "2 <nil>", "3 <nil>", "corrupt", "corrupt"}
				if !slices.Equal(all, want[:len(all)]) || len(all) != 3+corrupt {
					t.Errorf("All: %q", all)
				}
				if v, err := q.Pop(t.Context()); v != 1 || err != nil {
					t.Errorf("Pop: %d, %v", v, err)
				}
				if name != "curator" {
					item, err := q.Claim(t.Context())
					if err != nil || item.Value != 2 {
						t.Fatalf("Claim: %v, %v", item, err)
					}
					if err := item.Ack(t.Context()); err != nil {
						t.Error(err)
					}
				} else if v, err := q.Pop(t.Context()); v != 2 || err != nil {
					t.Errorf("Pop: %d, %v", v, err)
				}
				if vs, err := q.PopN(t.Context(), 10); len(vs) != 1 || vs[0] != 3 || err != nil {
					t.Errorf("PopN: %d, %v", vs, err)
				}
				if _, err := q.TryPop(t.Context()); err != queue.ErrEmpty {
					t.Errorf("TryPop: %v", err)
				}
				n := 0
				for l, err := range q.DeadLetters(t.Context()) {
					if err != nil || !strings.Contains(l.Reason, "corrupt") {
						t.Errorf("dead letter %+v, %v", l, err)
					}
					n++
				}
				if n != corrupt {
					t.Errorf("%d dead letters", n)
				}
			})
		})
	}
}

// Nobody is woken for what does not concern them more often than the length of
// the folder allows, and those who wait in one process do it as one.
func TestWaitersAreCheap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := texts(srv.Session(t)), texts(srv.Session(t))
		var vs []string
		for i := range 2000 {
			vs = append(vs, fmt.Sprint(i))
		}
		if _, err := a.PushAll(t.Context(), vs, queue.NotBefore(time.Now().Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if v, err := b.Pop(soon(t)); v != "x" || err != nil {
					t.Errorf("Pop: %q, %v", v, err)
				}
			})
		}
		time.Sleep(time.Second)
		srv.ResetRequests()
		for range 100 { // in a tenth of a second
			mustPush(t, a, "x")
			time.Sleep(time.Millisecond)
		}
		all.Wait()
		lists := 0
		for _, r := range srv.Requests() {
			if r.Op == "getChildren2" && r.Path == path+"/items" {
				lists++
			}
		}
		if lists > 20 { // of 2000 names, which may be read every 10 ms
			t.Errorf("the folder was listed %d times", lists)
		}
	})
}

// What the documentation says of round trips, counted on the wire.
func TestRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := texts(srv.Session(t)), texts(srv.Session(t))
		mustPush(t, a, "0")
		mustAck(t, mustClaim(t, b, "0"))
		mustPush(t, a, "1", "2", "3", "4")
		mustPop(t, b, "1") // knows the names now
		synctest.Wait()
		for _, c := range []struct {
			name string
			call func()
			want string
		}{
			{"Push", func() { mustPush(t, a, "5") }, "multi"},
			{"Pop", func() { mustPop(t, a, "2") }, "getChildren2 getChildren2 getData multi"},
			{"Pop again", func() { mustPop(t, a, "3") }, "getData getData multi"},
			{"Claim", func() { mustNack(t, mustClaim(t, a, "4")) }, "getData getData multi multi"},
			{"Len", func() { a.Len(t.Context()) }, "exists"},
			{"the rest", func() { mustPop(t, a, "4", "5") }, "getData getData multi getData getData multi"},
			// A server that lags behind must not say that there is nothing.
			{"TryPop", func() { wantEmpty(t, a) }, "getChildren2 getChildren2 sync getChildren2 getChildren2"},
		} {
			srv.ResetRequests()
			c.call()
			synctest.Wait()
			var got []string
			for _, r := range srv.Requests() {
				got = append(got, r.Op)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%s: %v, want %s", c.name, got, c.want)
			}
		}
	})
}

// Producers who have all seen that there is room for one more do not all push.
func TestMaxLenIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		const bound, producers = 5, 8
		mustPush(t, texts(srv.Session(t)), "1", "2", "3")
		errs := make(chan error)
		for range producers {
			q := texts(slowSession(t, srv, time.Millisecond), queue.WithMaxLen(bound))
			go func() { _, err := q.Push(soon(t), "x"); errs <- err }()
		}
		pushed := 0
		for range producers {
			if err := <-errs; err == nil {
				pushed++
			} else if err != queue.ErrFull {
				t.Error(err)
			}
		}
		if n, err := texts(srv.Session(t)).Len(t.Context()); pushed != 2 || n != bound || err != nil {
			t.Errorf("%d were pushed, and there are %d, %v", pushed, n, err)
		}
	})
}
