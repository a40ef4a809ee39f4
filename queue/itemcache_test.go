package queue

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/recipe/sequence"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// taken pushes one item and takes its name from the cache.
func taken(t *testing.T) (*Queue[string], entry) {
	q := New(zktest.New(t).Session(t), "/queue", codec.Text())
	if _, err := q.Push(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	if err := q.store.list(t.Context(), q.store.parents()...); err != nil {
		t.Fatal(err)
	}
	return q, q.store.cache.take(1)[0]
}

// What the cache learns of an item may be out of date already, with no event to
// follow. A waiter finds the item all the same.
func TestItemIsNotMissed(t *testing.T) {
	for name, learn := range map[string]func(*itemCache, entry){
		"claimed, and the claim has ended": (*itemCache).claimedByOther,
		"not found, and put back":          (*itemCache).notFound,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q, e := taken(t)
				popped := make(chan error)
				go func() {
					ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
					defer cancel()
					_, err := q.Pop(ctx)
					popped <- err
				}()
				time.Sleep(time.Minute) // it follows the folders, and has listed the item
				start := time.Now()
				learn(&q.store.cache, e)
				if err := <-popped; err != nil || time.Since(start) > time.Second {
					t.Errorf("%v after %v", err, time.Since(start))
				}
			})
		})
	}
}

// A listing that was sent before this process has deleted an item does not add it to the
// cache: its node would not be found, and the next item would be chosen at random, as
// after a conflict with another consumer.
func TestDeletedDuringListing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, e := taken(t)
		if _, err := q.PushAll(t.Context(), []string{"y", "z"}); err != nil {
			t.Fatal(err)
		}
		p := &q.store.cache
		if err := p.beginListing(t.Context()); err != nil {
			t.Fatal(err)
		}
		names, stat, err := q.store.session.Children(t.Context(), q.store.items)
		if err != nil || len(names) != 3 {
			t.Fatal(names, err)
		}
		p.removed(e)
		if err := q.store.mergeItems(t.Context(), names, stat); err != nil {
			t.Fatal(err)
		}
		p.endListing()
		if es := p.take(3); len(es) != 2 || es[0] == e {
			t.Errorf("the cache has %v, with the deleted item %v", es, e)
		}
	})
}

// A queue is not empty while another call of the process may put an item back.
func TestNotEmptyYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, e := taken(t)
		popped := make(chan error, 1)
		go func() {
			_, err := q.TryPop(t.Context())
			popped <- err
		}()
		time.Sleep(time.Second)
		select {
		case err := <-popped:
			t.Fatalf("TryPop: %v", err)
		default:
		}
		q.store.cache.putBack(e)
		if err := <-popped; err != nil {
			t.Errorf("TryPop: %v", err)
		}
	})
}

// Batches are as large as the sizes of items allow.
func TestFlights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(zktest.New(t).Session(t), "/queue", codec.Bytes())
		item := make([]byte, 100<<10)
		var items [][]byte
		for range 30 {
			items = append(items, item)
		}
		if _, err := q.PushAll(t.Context(), items); err != nil {
			t.Fatal(err)
		}
		for n := 0; n < len(items); {
			got, err := q.TryPopN(t.Context(), 100)
			if err != nil || len(got) == 0 || len(got) > q.store.txnBytes()/len(item) {
				t.Fatalf("PopN: %d items, %v", len(got), err)
			}
			n += len(got)
		}
	})
}

func TestHeap(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		h := heap[int]{before: func(a, b int) bool { return a < b }}
		var want []int
		for range rng.IntN(50) {
			want = append(want, rng.IntN(30))
		}
		h.fill(slices.Clone(want))
		for range rng.IntN(50) {
			n := rng.IntN(30)
			want = append(want, n)
			h.push(n)
		}
		slices.Sort(want)
		for i, w := range want {
			if got := h.pop(); got != w {
				t.Fatalf("number %d of %v is %d", i, want, got)
			}
		}
	}
}

// Servers count the children that were ever created, and a listing is complete as
// long as that number does not change.
func TestCreates(t *testing.T) {
	s := zktest.Open(t).Session(t)
	if _, _, err := s.Create(t.Context(), "/folder", nil); err != nil {
		t.Fatal(err)
	}
	var there []string
	rng := rand.New(rand.NewPCG(3, 4))
	for created := int32(0); created < 20; {
		if rng.IntN(2) == 0 && len(there) > 0 {
			if err := s.Delete(t.Context(), there[0], session.AnyVersion); err != nil {
				t.Fatal(err)
			}
			there = there[1:]
		} else {
			path := fmt.Sprintf("/folder/%d", created)
			if _, err := s.Txn(t.Context(), session.OpCreate(path, nil), session.OpSet("/folder", nil, session.AnyVersion)); err != nil {
				t.Fatal(err)
			}
			there = append(there, path)
			created++
		}
		if st, _, err := s.Exists(t.Context(), "/folder"); err != nil || sequence.Created(st) != created {
			t.Fatalf("%d were created, and there are %d, %v", sequence.Created(st), created, err)
		}
	}
}
