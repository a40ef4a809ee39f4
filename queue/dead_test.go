package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A corrupt item never blocks the queue: it becomes a dead letter, and the other
// items are delivered.
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

func TestBury(t *testing.T) {
	s := zktest.Open(t).Session(t)
	q := texts(s, queue.WithID("me"))
	mustPush(t, q, "bad", "good")
	item := mustClaim(t, q, "bad")
	start := time.Now().Add(-time.Minute)
	if err := item.Bury(t.Context(), errors.New("cannot bear it")); err != nil {
		t.Fatal(err)
	}
	mustPop(t, q, "good")
	wantEmpty(t, q)
	ls := dead(t, q)
	if len(ls) != 1 || ls[0].ID != item.ID || string(ls[0].Data) != "bad" || ls[0].Reason != "cannot bear it" || ls[0].Attempts != 1 || ls[0].Since.Before(start) {
		t.Fatalf("dead letters: %+v", ls)
	}
	for _, f := range []func(string) error{
		func(id string) error { return q.Requeue(t.Context(), id) },
		func(id string) error { return q.Drop(t.Context(), id) },
	} {
		testkit.WantError(t, f("nobody"), session.ErrNoNode)
	}
	if err := q.Requeue(t.Context(), item.ID); err != nil {
		t.Fatal(err)
	}
	testkit.WantError(t, q.Requeue(t.Context(), item.ID), session.ErrNoNode)
	again := mustClaim(t, q, "bad")
	if again.ID != item.ID || again.Attempt != 1 {
		t.Errorf("item %+v", again)
	}
	if err := again.Bury(t.Context(), errors.New("still")); err != nil {
		t.Fatal(err)
	}
	if err := q.Drop(t.Context(), item.ID); err != nil {
		t.Fatal(err)
	}
	if ls := dead(t, q); len(ls) != 0 {
		t.Errorf("dead letters: %+v", ls)
	}
}

// Dead letters are in the order that they had as items.
func TestOrderOfDeadLetters(t *testing.T) {
	s := zktest.Open(t).Session(t)
	for name, opts := range map[string][]queue.Option{"native": nil, "kazoo locking": {queue.WithLayout(queue.KazooLocking)}} {
		q := queue.New(s, path+name, codec.Text(), opts...)
		for i, p := range []int{2, 1, 1, 2} {
			if _, err := q.Push(t.Context(), fmt.Sprintf("%d%d", p, i), queue.WithPriority(p)); err != nil {
				t.Fatal(err)
			}
		}
		var items []*queue.Item[string]
		for range 4 {
			item, err := q.Claim(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			items = append(items, item)
		}
		for _, i := range []int{2, 0, 3, 1} {
			if err := items[i].Bury(t.Context(), errors.New("reason")); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		for _, l := range dead(t, q) {
			got = append(got, string(l.Data))
			if err := q.Requeue(t.Context(), l.ID); err != nil {
				t.Error(err)
			}
		}
		if want := []string{"11", "12", "20", "23"}; !slices.Equal(got, want) {
			t.Errorf("%s: dead letters %q, want %q", name, got, want)
		}
		if got := contents(t, q); got != "11 12 20 23" {
			t.Errorf("%s: requeued as %s", name, got)
		}
	}
}

// Dead letters in layouts of other libraries are where no consumer takes them for
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

// Items so large that a request has no room for anything else are delivered if
// possible, and never block other items.
func TestVeryLargeItems(t *testing.T) {
	large := strings.Repeat("x", 1<<20-2500) // servers take no more with the names
	for _, size := range []int{len(large), maxSize + 100} {
		synctest.Test(t, func(t *testing.T) {
			s := zktest.New(t).Session(t)
			q := texts(s)
			mustPush(t, q, "1")
			name := "items/80000000-00000000000-" + session.GUID() + "-"
			if _, _, err := s.Create(t.Context(), path+"/"+name, []byte(large[:size]), session.Sequential()); err != nil {
				t.Fatal(err)
			}
			mustPush(t, q, "2")
			mustPop(t, q, "1", "2")
			wantEmpty(t, q)
			if n := len(dead(t, q)); size < len(large) && n != 1 || size == len(large) && n != 0 {
				t.Errorf("%d dead letters of an item of %d bytes", n, size)
			}
		})
		synctest.Test(t, func(t *testing.T) {
			s := zktest.New(t).Session(t)
			q := texts(s, queue.WithLayout(queue.KazooLocking))
			if _, _, err := s.Create(t.Context(), path+"/entries/entry-100-", []byte(large[:size]), session.Sequential(), session.Parents()); err != nil {
				t.Fatal(err)
			}
			item := mustClaim(t, q, large[:size])
			if item.Attempt != 1 {
				t.Errorf("attempt %d", item.Attempt)
			}
			if err := item.Bury(t.Context(), errors.New("reason")); size == len(large) {
				testkit.WantError(t, err, session.ErrInvalid)
				mustNack(t, item)
				mustPop(t, q, large[:size])
			} else if err != nil {
				t.Error(err)
			}
			wantEmpty(t, q)
		})
	}
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		q := texts(s, queue.WithLayout(queue.KazooLocking))
		if _, _, err := s.Create(t.Context(), path+"/entries/entry-100-", []byte(large), session.Sequential(), session.Parents()); err != nil {
			t.Fatal(err)
		}
		var tries notes[int]
		stop := consuming(t, q, func(_ context.Context, item *queue.Item[string]) error {
			tries.add(item.Attempt)
			return errors.New("failed")
		}, queue.WithMaxAttempts(1))
		time.Sleep(time.Second)
		stop()
		if n := len(tries.take()); n < 2 || n > 11 { // it cannot be buried, and does not spin
			t.Errorf("%d attempts in a second", n)
		}
	})
}
