package queue_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

var allLayouts = []queue.Layout{
	queue.Native, queue.Curator, queue.CuratorPriority, queue.CuratorDelay, queue.CuratorSimple, queue.Kazoo, queue.KazooLocking,
}

// framed are items as Curator puts them into a node.
func framed(items ...string) []byte {
	data := []byte{0, 1, 0, 1}
	for _, item := range items {
		data = append(binary.BigEndian.AppendUint32(append(data, 1), uint32(len(item))), item...)
	}
	return append(data, 2)
}

// The tree is as docs/znode-layout.md says.
func TestNodes(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts []queue.Option
		push []queue.PushOption
		node string // without GUID
		data string
		lock string
	}{
		{"native", nil, []queue.PushOption{queue.Priority(-1), queue.NotBefore(time.UnixMilli(0x123))}, "items/7fffffff-00000000123-GUID-0000000000", "x", path + "/claims/"},
		{"curator", []queue.Option{queue.WithLayout(queue.Curator), queue.WithLockPath("/app/locks")}, nil, "queue-0000000000", string(framed("x")), "/app/locks/"},
		{"priority", []queue.Option{queue.WithLayout(queue.CuratorPriority), queue.WithLockPath("/app/locks")}, []queue.PushOption{queue.Priority(255)}, "queue-1000000FF0000000000", string(framed("x")), "/app/locks/"},
		{"delay", []queue.Option{queue.WithLayout(queue.CuratorDelay), queue.WithLockPath("/app/locks")}, []queue.PushOption{queue.NotBefore(time.UnixMilli(0x123))}, "queue-|00000123|0000000000", string(framed("x")), "/app/locks/"},
		{"simple", []queue.Option{queue.WithLayout(queue.CuratorSimple)}, nil, "qn-0000000000", "x", ""},
		{"article", []queue.Option{queue.WithLayout(queue.CuratorSimple), queue.WithPrefix("queue_")}, nil, "queue_0000000000", "x", ""},
		{"kazoo", []queue.Option{queue.WithLayout(queue.Kazoo)}, nil, "entry-100-0000000000", "x", ""},
		{"locking", []queue.Option{queue.WithLayout(queue.KazooLocking)}, []queue.PushOption{queue.Priority(7)}, "entries/entry-007-0000000000", "x", path + "/taken/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				q := texts(srv.Session(t), append(tt.opts, queue.WithID("me"))...)
				id, err := q.Push(t.Context(), "x", tt.push...)
				if err != nil {
					t.Fatal(err)
				}
				node := path + "/" + strings.Replace(tt.node, "GUID", id, 1)
				if want := fmt.Sprintf("%s v0 %q\n", node, tt.data); !strings.Contains(srv.Tree(), want) {
					t.Errorf("%s is missing in\n%s", want, srv.Tree())
				}
				if tt.name != "native" && !strings.HasSuffix(node, "/"+id) {
					t.Errorf("the id is %s", id)
				}
				folder, _ := session.Split(node)
				if strings.Contains(srv.Tree(), folder+" container") != (tt.name == "native") {
					t.Errorf("the folder is of the wrong kind:\n%s", srv.Tree())
				}
				if tt.lock == "" {
					_, err := q.Claim(t.Context())
					wantError(t, err, queue.ErrUnsupported)
				} else {
					item := mustClaim(t, q, "x")
					label := "me"
					if tt.name == "locking" {
						label = "" // random
					}
					if want := tt.lock + node[strings.LastIndex(node, "/")+1:] + " ephemeral v0 \"" + label; !strings.Contains(srv.Tree(), want) {
						t.Errorf("%s is missing in\n%s", want, srv.Tree())
					}
					if item.ID != id {
						t.Errorf("the item's id is %s, want %s", item.ID, id)
					}
					mustNack(t, item)
				}
				mustPop(t, q, "x")
			})
		})
	}
}

// What a layout does not have is refused before anything is sent.
func TestUnsupported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		synctest.Wait()
		srv.ResetRequests()
		priorities := map[queue.Layout]bool{queue.Native: true, queue.CuratorPriority: true, queue.Kazoo: true, queue.KazooLocking: true}
		delays := map[queue.Layout]bool{queue.Native: true, queue.CuratorDelay: true}
		claims := map[queue.Layout]bool{queue.Native: true, queue.KazooLocking: true}
		locks := map[queue.Layout]bool{queue.Curator: true, queue.CuratorPriority: true, queue.CuratorDelay: true}
		for _, l := range allLayouts {
			q := texts(s, queue.WithLayout(l))
			if !priorities[l] {
				_, err := q.Push(t.Context(), "x", queue.Priority(0))
				wantError(t, err, queue.ErrUnsupported)
			}
			if !delays[l] {
				_, err := q.PushAll(t.Context(), []string{"x"}, queue.NotBefore(time.Now()))
				wantError(t, err, queue.ErrUnsupported)
			}
			if !claims[l] {
				_, err := q.Claim(t.Context())
				wantError(t, err, queue.ErrUnsupported)
				_, err = q.TryClaim(t.Context())
				wantError(t, err, queue.ErrUnsupported)
				err = q.Consume(t.Context(), func(context.Context, *queue.Item[string]) error { return nil })
				wantError(t, err, queue.ErrUnsupported)
			}
			if !locks[l] {
				_, err := texts(s, queue.WithLayout(l), queue.WithLockPath("/locks")).Pop(t.Context())
				wantError(t, err, queue.ErrUnsupported)
			}
			if l != queue.CuratorSimple {
				_, err := texts(s, queue.WithLayout(l), queue.WithPrefix("x")).Len(t.Context())
				wantError(t, err, queue.ErrUnsupported)
			}
		}
		if r := srv.Requests(); len(r) > 0 {
			t.Errorf("requests were made: %v", r)
		}
	})
}

func TestBadInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		synctest.Wait()
		srv.ResetRequests()
		nothing := func(context.Context, *queue.Item[string]) error { return nil }
		ctx := t.Context()
		pushed := func(_ string, err error) error { return err }
		popped := func(_ []string, err error) error { return err }
		for name, err := range map[string]error{
			"too large":          pushed(texts(s).Push(ctx, strings.Repeat("x", 1<<20))),
			"a little too large": pushed(texts(s).Push(ctx, strings.Repeat("x", queue.MaxSize+1))),
			"none":               popped(texts(s).PopN(ctx, 0)),
			"less than none":     popped(texts(s).TryPopN(ctx, -1)),
			"no concurrency":     texts(s).Consume(ctx, nothing, queue.Concurrency(0)),
			"less than that":     texts(s).Consume(ctx, nothing, queue.Concurrency(-1)),
			"no attempts":        texts(s).Consume(ctx, nothing, queue.MaxAttempts(0)),
			"no length":          pushed(texts(s, queue.WithMaxLen(0)).Push(ctx, "x")),
			"negative length":    pushed(texts(s, queue.WithMaxLen(-1)).Push(ctx, "x")),
			"unknown layout":     pushed(texts(s, queue.WithLayout(99)).Push(ctx, "x")),
			"relative path":      pushed(queue.New(s, "queue", codec.Text()).Push(ctx, "x")),
			"no path":            pushed(queue.New(s, "", codec.Text()).Push(ctx, "x")),
			"bad lock path":      pushed(texts(s, queue.WithLayout(queue.Curator), queue.WithLockPath("locks")).Push(ctx, "x")),
			"bad dead path":      pushed(texts(s, queue.WithDeadLetters("dead/")).Push(ctx, "x")),
			"bad prefix":         pushed(texts(s, queue.WithLayout(queue.CuratorSimple), queue.WithPrefix("a/b")).Push(ctx, "x")),
			"priority":           pushed(texts(s).Push(ctx, "x", queue.Priority(math.MaxInt))),
			"kazoo's priority":   pushed(texts(s, queue.WithLayout(queue.Kazoo)).Push(ctx, "x", queue.Priority(1000))),
			"negative priority":  pushed(texts(s, queue.WithLayout(queue.Kazoo)).Push(ctx, "x", queue.Priority(-1))),
			"far future":         pushed(texts(s).Push(ctx, "x", queue.NotBefore(time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)))),
		} {
			var oe *session.OpError
			if !errors.Is(err, session.ErrInvalid) || !errors.As(err, &oe) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := texts(s).Push(ctx, "\xff"); !errors.Is(err, codec.ErrMalformed) {
			t.Errorf("what cannot be encoded: %v", err)
		}
		bad := queue.New(s, "x", codec.Text())
		for _, err := range bad.All(ctx) {
			wantError(t, err, session.ErrInvalid)
		}
		for _, err := range bad.DeadLetters(ctx) {
			wantError(t, err, session.ErrInvalid)
		}
		wantError(t, bad.Requeue(ctx, "x"), session.ErrInvalid)
		_, err := bad.Peek(ctx)
		wantError(t, err, session.ErrInvalid)
		if r := srv.Requests(); len(r) > 0 {
			t.Errorf("requests were made: %v", r)
		}
	})
}

// Curator's fault 3.16: strangers' nodes get in the way. Here they are passed over,
// wherever they are.
func TestForeignNodes(t *testing.T) {
	for _, l := range allLayouts {
		t.Run(l.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := zktest.New(t).Session(t)
				opts := []queue.Option{queue.WithLayout(l)}
				q := texts(s, opts...)
				for _, dir := range []string{"", "/items", "/claims", "/dead", "/entries", "/taken"} {
					for _, name := range []string{"0", "queue", "lost+found", "ünïcode", "queue-x", "entry-", "qn-1"} {
						if _, _, err := s.Create(t.Context(), path+dir+"/"+name, []byte("foreign"), session.Parents()); err != nil {
							t.Fatal(err)
						}
					}
				}
				wantEmpty(t, q)
				mustPush(t, q, "1", "2", "3")
				if got := contents(t, q); got != "1 2 3" {
					t.Errorf("in the queue: %s", got)
				}
				mustPop(t, q, "1")
				if l == queue.Native || l == queue.KazooLocking {
					mustAck(t, mustClaim(t, q, "2"))
				} else {
					mustPop(t, q, "2")
				}
				mustPop(t, q, "3")
				wantEmpty(t, q)
			})
		})
	}
}

// A node that cannot be removed since somebody has put another below it keeps
// nobody from the others.
func TestChildOfAnItem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		q := texts(s, queue.WithLayout(queue.Curator))
		mustPush(t, q, "1", "2", "3")
		if _, _, err := s.Create(t.Context(), path+"/queue-0000000000/child", nil); err != nil {
			t.Fatal(err)
		}
		mustPop(t, q, "2", "3")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		srv.ResetRequests()
		_, err := q.Pop(ctx)
		wantError(t, err, context.DeadlineExceeded)
		if n := len(srv.Requests()); n > 20 {
			t.Errorf("%d requests in a minute", n)
		}
	})
}

// Curator's putMulti puts several items into a node. They are taken one by one,
// and the others stay in their place.
func TestSeveralItemsInANode(t *testing.T) {
	for _, locks := range []bool{false, true} {
		t.Run(fmt.Sprintf("lock path %v", locks), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				s := srv.Session(t)
				opts := []queue.Option{queue.WithLayout(queue.Curator)}
				if locks {
					opts = append(opts, queue.WithLockPath("/app/locks"))
				}
				q := texts(s, opts...)
				mustPush(t, q, "first")
				var many []string
				for i := range 12 {
					many = append(many, fmt.Sprintf("m%d", i))
				}
				if _, _, err := s.Create(t.Context(), path+"/queue-", framed(many...), session.Sequential()); err != nil {
					t.Fatal(err)
				}
				mustPush(t, q, "last")
				if got, want := contents(t, q), "first "+strings.Join(many, " ")+" last"; got != want {
					t.Errorf("in the queue: %s, want %s", got, want)
				}
				mustPop(t, q, "first", "m0")
				srv.ResetRequests()
				mustPop(t, q, "m1")
				for _, r := range srv.Requests() {
					if r.Op == "getChildren2" {
						t.Errorf("%s was listed again", r.Path)
					}
				}
				if !strings.Contains(srv.Tree(), fmt.Sprintf("%s/queue-0000000001-2 v0 %q", path, framed(many[2:]...))) {
					t.Errorf("the rest is not there:\n%s", srv.Tree())
				}
				if locks {
					mustAck(t, mustClaim(t, q, "m2"))
					mustNack(t, mustClaim(t, q, "m3"))
					item := mustClaim(t, q, "m3")
					if item.Attempt != 2 {
						t.Errorf("attempt %d", item.Attempt)
					}
					if err := item.Bury(t.Context(), errors.New("reason")); err != nil {
						t.Fatal(err)
					}
					ls := dead(t, q)
					if len(ls) != 1 || string(ls[0].Data) != string(framed("m3")) || ls[0].Attempts != 2 {
						t.Fatalf("dead letters: %+v", ls)
					}
					if err := q.Requeue(t.Context(), ls[0].ID); err != nil {
						t.Fatal(err)
					}
					mustPop(t, q, many[4:]...)
					mustPop(t, q, "last", "m3")
				} else {
					mustPop(t, q, many[2:]...)
					mustPop(t, q, "last")
				}
				wantEmpty(t, q)
			})
		})
	}
}

// Curator's fault 3.19: a failing node of several items re-delivers its first ones.
func TestFailureAmongSeveralItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := zktest.New(t).Session(t)
		q := texts(s, queue.WithLayout(queue.Curator), queue.WithLockPath("/app/locks"))
		if _, _, err := s.Create(t.Context(), path+"/queue-", framed("a", "b", "c"), session.Sequential(), session.Parents()); err != nil {
			t.Fatal(err)
		}
		var got notes[string]
		stop := consuming(t, q, func(_ context.Context, item *queue.Item[string]) error {
			got.add(fmt.Sprint(item.Value, item.Attempt))
			if item.Value == "b" && item.Attempt == 1 {
				return errors.New("failed")
			}
			return nil
		})
		time.Sleep(time.Minute)
		stop()
		if s := strings.Join(got.take(), " "); s != "a1 b1 b2 c1" {
			t.Errorf("consumed %s", s)
		}
	})
}

// Items of CuratorDelay come in the order of their times.
func TestCuratorDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := texts(zktest.New(t).Session(t), queue.WithLayout(queue.CuratorDelay))
		start := time.Now()
		for _, d := range []time.Duration{3, 1, 2} {
			if _, err := q.Push(t.Context(), fmt.Sprint(int(d)), queue.NotBefore(start.Add(d*time.Minute))); err != nil {
				t.Fatal(err)
			}
		}
		mustPush(t, q, "0")
		mustPop(t, q, "0", "1", "2")
		if d := time.Since(start); d != 2*time.Minute {
			t.Errorf("they came after %v", d)
		}
		time.Sleep(time.Hour)
		mustPush(t, q, "4")
		mustPop(t, q, "3", "4")
	})
}

// Dead letters of other libraries' layouts are where no consumer takes them for
// items.
func TestWhereDeadLettersAre(t *testing.T) {
	for _, tt := range []struct {
		opts []queue.Option
		want string
	}{
		{nil, path + "/dead/"},
		{[]queue.Option{queue.WithLayout(queue.KazooLocking)}, path + "/dead/"},
		{[]queue.Option{queue.WithLayout(queue.Curator)}, path + "-dead/"},
		{[]queue.Option{queue.WithLayout(queue.Kazoo)}, path + "-dead/"},
		{[]queue.Option{queue.WithDeadLetters("/elsewhere")}, "/elsewhere/"},
	} {
		synctest.Test(t, func(t *testing.T) {
			srv := zktest.New(t)
			s := srv.Session(t)
			if _, err := queue.New(s, path, codec.Bytes(), tt.opts...).Push(t.Context(), []byte("\xff")); err != nil {
				t.Fatal(err)
			}
			q := texts(s, tt.opts...)
			wantEmpty(t, q)
			if n := strings.Count(srv.Tree(), tt.want); n != 2 {
				t.Errorf("%d nodes below %s:\n%s", n, tt.want, srv.Tree())
			}
			ls := dead(t, q)
			if len(ls) != 1 {
				t.Fatalf("dead letters: %v", ls)
			}
			if err := q.Requeue(t.Context(), ls[0].ID); err != nil {
				t.Error(err)
			}
			wantEmpty(t, q) // it is as corrupt as before
			if err := q.Drop(t.Context(), dead(t, q)[0].ID); err != nil {
				t.Error(err)
			}
		})
	}
}
