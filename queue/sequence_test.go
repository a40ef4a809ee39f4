package queue_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// lastNumber is what servers since 3.5 give to every sequential child once they
// have given it to one.
const lastNumber = "2147483647"

// ends are the ways in which servers go on after the last number: by repeating it,
// also with creates in flight, and by counting on from -2147483648.
var ends = map[string]func(srv *zktest.Server, folder string){
	"repeat":      func(srv *zktest.Server, folder string) { srv.EndSequence(folder) },
	"three apart": func(srv *zktest.Server, folder string) { srv.EndSequenceInBursts(folder, 3) },
	"wrap":        func(srv *zktest.Server, folder string) { srv.JumpSequence(folder, 1<<31-1) },
}

func eachEnd(t *testing.T, test func(t *testing.T, end func(*zktest.Server, string))) {
	for name, end := range ends {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test(t, end) }) })
	}
}

// pushLast has a queue give out the last numbers before the end for vs.
func pushLast(t *testing.T, srv *zktest.Server, q *queue.Queue[string], folder string, vs ...string) {
	t.Helper()
	mustPush(t, q, "makes the folder")
	mustPop(t, q, "makes the folder")
	srv.JumpSequence(folder, int32(1<<31-1-len(vs)))
	mustPush(t, q, vs...)
}

// numbered are n values that begin with a letter.
func numbered(letter string, n int) (vs []string) {
	for i := range n {
		vs = append(vs, fmt.Sprint(letter, i))
	}
	return vs
}

// Items from before the end of the numbers and from after it come in the order in
// which they were pushed, one by one or several in a transaction, in each priority.
func TestSequenceEnds(t *testing.T) {
	eachEnd(t, func(t *testing.T, end func(*zktest.Server, string)) {
		srv := zktest.New(t)
		a, b, c := texts(srv.Session(t)), texts(srv.Session(t)), texts(srv.Session(t))
		pushLast(t, srv, a, path+"/items", "first", "second")
		end(srv, path+"/items")
		want := []string{"first", "second"}
		for i := range 7 {
			single, batch := fmt.Sprint("single", i), numbered(fmt.Sprint("batch", i, "-"), 5)
			mustPush(t, a, single)
			if _, err := b.PushAll(testkit.Soon(t), batch); err != nil {
				t.Fatal(err)
			}
			want = append(append(want, single), batch...)
		}
		if n := strings.Count(srv.Tree(), "-"+lastNumber+" "); n == 0 {
			t.Fatalf("no item has the last number:\n%s", srv.Tree())
		}
		if got := contents(t, c); got != strings.Join(want, " ") {
			t.Errorf("in the queue: %s, want %s", got, want)
		}
		mustPop(t, c, want[:5]...)
		mustNack(t, mustClaim(t, c, want[5]))
		claimed := mustClaim(t, c, want[5])
		mustPop(t, b, want[6:20]...)
		mustNack(t, claimed)
		time.Sleep(time.Second) // until the end of a claim is noticed
		mustPop(t, b, want[5])
		mustPop(t, a, want[20:]...)
		wantEmpty(t, c)
	})
}

// A consumer that knows the names of items hears of more urgent ones, although the
// count of creates does not change any more.
func TestUrgentItemPastSequenceEnd(t *testing.T) {
	eachEnd(t, func(t *testing.T, end func(*zktest.Server, string)) {
		srv := zktest.New(t)
		a, b := texts(srv.Session(t)), texts(srv.Session(t))
		pushLast(t, srv, a, path+"/items", "first")
		end(srv, path+"/items")
		mustPush(t, a, numbered("x", 20)...)
		mustPop(t, b, "first", "x0")
		for i, other := range []func(){func() {}, func() { mustPop(t, a, "x2") }} {
			urgent := fmt.Sprint("urgent", i)
			other() // as many items as before
			if _, err := a.Push(t.Context(), urgent, queue.WithPriority(-1)); err != nil {
				t.Fatal(err)
			}
			mustPop(t, b, urgent, fmt.Sprint("x", 1+2*i))
		}
	})
}

// An item whose removal is undone stands before all others again.
func TestPutBackPastSequenceEnd(t *testing.T) {
	undone := 0
	eachEnd(t, func(t *testing.T, end func(*zktest.Server, string)) {
		for _, name := range []string{"native", "curator"} {
			for delay := 5 * time.Millisecond; delay < 100*time.Millisecond; delay += 10 * time.Millisecond {
				srv := zktest.New(t)
				slow := texts(testkit.SlowSession(t, srv, 10*time.Millisecond), layouts[name]...)
				q := texts(srv.Session(t), layouts[name]...)
				folder := path
				if name == "native" {
					folder += "/items"
				}
				pushLast(t, srv, q, folder, "before")
				end(srv, folder)
				want := []string{"before", "a"}
				mustPush(t, q, "a")
				if name == "native" { // others have one at a time
					mustPush(t, q, "b", "c")
					want = append(want, "b", "c")
				}
				ctx, cancel := context.WithTimeout(t.Context(), delay)
				got, err := slow.TryPopN(ctx, 3)
				cancel()
				if errors.Is(err, session.ErrUnknown) {
					undone++
				}
				time.Sleep(time.Second)
				want = want[len(got):]
				if got := contents(t, q); got != strings.Join(want, " ") {
					t.Errorf("after %v (%v): %s, want %s:\n%s", delay, err, got, want, srv.Tree())
				}
				mustPop(t, q, want...)
			}
		}
	})
	if undone == 0 {
		t.Error("no removal was undone")
	}
}

// A consumer reads the stat of each item with the last number once, in one flight
// with those of others. Without such items, it costs what it always costs.
func TestSequenceEndCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := texts(srv.Session(t)), texts(srv.Session(t))
		mustPush(t, a, "before")
		stats := func() (n int) {
			for _, r := range srv.Requests() {
				if r.Op == "exists" && strings.HasPrefix(r.Path, path+"/items/") {
					n++
				}
			}
			srv.ResetRequests()
			return n
		}
		srv.EndSequence(path + "/items")
		mustPop(t, b, "before")
		mustPush(t, a, "x")
		mustPop(t, b, "x")
		if n := stats(); n != 0 {
			t.Errorf("%d stats without another item", n)
		}
		const n = 50
		mustPush(t, a, numbered("x", n)...)
		mustPop(t, b, numbered("x", n)...)
		if got := stats(); got != n {
			t.Errorf("%d stats of %d items", got, n)
		}
	})
}

// In other libraries' layouts the last number makes the name of an item, so that a
// queue cannot have two of them. A push fails while there is one, and later as well:
// a consumer that has read the old item might remove the new one.
func TestForeignLayoutsAtSequenceEnd(t *testing.T) {
	for _, layout := range allLayouts[1:] {
		t.Run(layout.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				s := srv.Session(t)
				a, b := texts(s, queue.WithLayout(layout)), texts(srv.Session(t), queue.WithLayout(layout))
				folder := path
				if layout == queue.KazooLocking {
					folder += "/entries"
				}
				pushLast(t, srv, a, folder, "next to last")
				srv.EndSequence(folder)
				mustPush(t, a, "last")
				for _, q := range []*queue.Queue[string]{a, b} {
					_, err := q.Push(testkit.Soon(t), "refused")
					testkit.WantError(t, err, session.ErrSequenceEnd)
				}
				mustPop(t, b, "next to last", "last")
				_, err := a.Push(testkit.Soon(t), "refused")
				testkit.WantError(t, err, session.ErrSequenceEnd)
				wantEmpty(t, b)
				if err := s.Delete(t.Context(), folder, session.AnyVersion); err != nil {
					t.Fatal(err)
				}
				mustPush(t, a, "again")
				mustPop(t, b, "again")
			})
		})
	}
}

// A node of Curator's with several items keeps its place while they are taken, and
// their successors are not taken for new items.
func TestSeveralItemsInANodePastSequenceEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		opts := []queue.Option{queue.WithLayout(queue.Curator), queue.WithLockPath("/app/locks")}
		a, b := texts(s, opts...), texts(srv.Session(t), opts...)
		mustPush(t, a, "first")
		srv.EndSequenceInBursts(path, 3)
		for _, letter := range []string{"a", "b", "c"} {
			if _, _, err := s.Create(t.Context(), path+"/queue-", framed(numbered(letter, 4)...), session.Sequential()); err != nil {
				t.Fatal(err)
			}
		}
		mustPop(t, a, "first", "a0")
		mustPop(t, a, "a1")
		mustPop(t, b, "a2")
		mustNack(t, mustClaim(t, b, "a3"))
		mustPop(t, a, "a3", "b0")
		mustPop(t, b, numbered("b", 4)[1:]...)
		mustPop(t, a, numbered("c", 4)...)
		wantEmpty(t, b)
	})
}

// Dead letters with the last number are in the order in which they became that.
func TestDeadLettersPastSequenceEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		q := texts(srv.Session(t))
		mustPush(t, q, "first")
		srv.EndSequence(path + "/items")
		want := append([]string{"first"}, numbered("x", 9)...)
		mustPush(t, q, want[1:]...)
		for _, v := range want {
			if err := mustClaim(t, q, v).Bury(testkit.Soon(t), errors.New("reason")); err != nil {
				t.Fatal(err)
			}
		}
		for i, l := range dead(t, q) {
			if string(l.Data) != want[i] {
				t.Errorf("dead letter %d is %s, want %s", i, l.Data, want[i])
			}
			if err := q.Requeue(testkit.Soon(t), l.ID); err != nil {
				t.Fatal(err)
			}
		}
		mustPop(t, q, want...)
	})
}

// Removals that are undone at the same moment do not change the order, nor does an
// item that stays claimed meanwhile.
func TestPutBacksPastSequenceEnd(t *testing.T) {
	mostUndone := 0
	eachEnd(t, func(t *testing.T, end func(*zktest.Server, string)) {
		for delay := 15 * time.Millisecond; delay < 120*time.Millisecond; delay += 5 * time.Millisecond {
			srv := zktest.New(t)
			q, slow := texts(srv.Session(t)), texts(testkit.SlowSession(t, srv, 10*time.Millisecond))
			pushLast(t, srv, q, path+"/items", "before", "b0", "b1")
			end(srv, path+"/items")
			mustPush(t, q, numbered("x", 9)...)
			mustPop(t, slow, "before", "b0") // which lists the names
			claimed := []*queue.Item[string]{mustClaim(t, q, "b1"), mustClaim(t, q, "x0")}
			time.Sleep(time.Second)
			undone, popped := 0, map[string]bool{}
			for _, n := range []int{2, 1, 3} {
				ctx, cancel := context.WithTimeout(t.Context(), delay)
				got, err := slow.TryPopN(ctx, n)
				cancel()
				if errors.Is(err, session.ErrUnknown) {
					undone++
				}
				for _, v := range got {
					popped[v] = true
				}
			}
			mostUndone = max(mostUndone, undone)
			time.Sleep(time.Second)
			for _, item := range claimed {
				mustNack(t, item)
			}
			var want []string
			for _, v := range append([]string{"b1"}, numbered("x", 9)...) {
				if !popped[v] {
					want = append(want, v)
				}
			}
			if got := contents(t, q); got != strings.Join(want, " ") {
				t.Errorf("after %v (%d undone): %s, want %s:\n%s", delay, undone, got, want, srv.Tree())
			}
			mustPop(t, texts(srv.Session(t)), want...)
		}
	})
	if mostUndone < 2 {
		t.Errorf("at most %d removals were undone at once", mostUndone)
	}
}

// An item that was put back past the end has its id, can be claimed, and becomes a dead
// letter and an item again like any other.
func TestDeadLetterOfPutBackPastSequenceEnd(t *testing.T) {
	eachEnd(t, func(t *testing.T, end func(*zktest.Server, string)) {
		undone := 0
		for delay := 15 * time.Millisecond; delay < 120*time.Millisecond; delay += 5 * time.Millisecond {
			srv := zktest.New(t)
			q, slow := texts(srv.Session(t)), texts(testkit.SlowSession(t, srv, 10*time.Millisecond))
			pushLast(t, srv, q, path+"/items", "before")
			end(srv, path+"/items")
			ids, err := q.PushAll(t.Context(), []string{"x", "y"})
			if err != nil {
				t.Fatal(err)
			}
			mustPop(t, slow, "before")
			for range 2 { // the second time, the node is one that was put back
				ctx, cancel := context.WithTimeout(t.Context(), delay)
				_, err = slow.TryPop(ctx)
				cancel()
				time.Sleep(time.Second)
				if !errors.Is(err, session.ErrUnknown) {
					break
				}
				undone++
			}
			if err == nil {
				continue
			}
			mustNack(t, mustClaim(t, q, "x"))
			item := mustClaim(t, q, "x")
			if item.ID != ids[0] || item.Attempt != 2 {
				t.Errorf("x has the id %s and attempt %d, want %s and 2", item.ID, item.Attempt, ids[0])
			}
			if err := item.Bury(testkit.Soon(t), errors.New("reason")); err != nil {
				t.Fatal(err)
			}
			if ls := dead(t, q); len(ls) != 1 || ls[0].ID != ids[0] {
				t.Errorf("dead letters: %+v, want %s", ls, ids[0])
			}
			if err := q.Requeue(testkit.Soon(t), ids[0]); err != nil {
				t.Fatal(err)
			}
			mustPop(t, texts(srv.Session(t)), "y", "x")
		}
		if undone < 2 {
			t.Errorf("%d removals were undone", undone)
		}
	})
}

// The node of a requeued item never has a name that it had before, and the item is
// due.
func TestRequeuePastSequenceEnd(t *testing.T) {
	eachEnd(t, func(t *testing.T, end func(*zktest.Server, string)) {
		srv := zktest.New(t)
		s := srv.Session(t)
		q := texts(s)
		pushLast(t, srv, q, path+"/items", "first")
		end(srv, path+"/items")
		mustPush(t, q, "second", "a", "b", "c")
		mustPop(t, q, "first", "second")
		seen := make(map[string]bool)
		for i := range 9 {
			item := mustClaim(t, q, string("abc"[i%3]))
			if err := item.Bury(testkit.Soon(t), errors.New("reason")); err != nil {
				t.Fatal(err)
			}
			if err := q.Requeue(testkit.Soon(t), item.ID); err != nil {
				t.Fatal(err)
			}
			names, _, err := s.Children(t.Context(), path+"/items")
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range names {
				if !strings.Contains(name, item.ID) {
					continue
				}
				if seen[name] {
					t.Errorf("name %s was used again", name)
				}
				seen[name] = true
			}
		}
		for e, err := range q.All(testkit.Soon(t)) {
			if err != nil || !e.NotBefore.IsZero() {
				t.Errorf("item %s is not due before %v (%v)", e.Value, e.NotBefore, err)
			}
		}
		mustPop(t, q, "a", "b", "c")
	})
}

// A consumer that knows an item from before it became a dead letter takes it behind
// the others once it was requeued.
func TestRequeueOfKnownItemPastSequenceEnd(t *testing.T) {
	eachEnd(t, func(t *testing.T, end func(*zktest.Server, string)) {
		srv := zktest.New(t)
		q, other := texts(srv.Session(t)), texts(srv.Session(t))
		pushLast(t, srv, q, path+"/items", "first")
		end(srv, path+"/items")
		mustPush(t, q, "second", "a", "b", "c")
		mustPop(t, other, "first", "second")
		item := mustClaim(t, q, "a")
		if err := item.Bury(testkit.Soon(t), errors.New("reason")); err != nil {
			t.Fatal(err)
		}
		if err := q.Requeue(testkit.Soon(t), item.ID); err != nil {
			t.Fatal(err)
		}
		mustPop(t, other, "b", "c", "a")
	})
}
