package queue_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func TestMaxLen(t *testing.T) {
	target := zktest.Open(t)
	q := texts(target.Session(t), queue.WithMaxLen(3))
	mustPush(t, q, "1", "2", "3")
	if _, err := q.Push(t.Context(), "4"); err != queue.ErrFull {
		t.Errorf("Push to a full queue: %v", err)
	}
	mustPop(t, q, "1")
	ids, err := q.PushAll(t.Context(), []string{"4", "5"})
	if err != queue.ErrFull || len(ids) != 1 {
		t.Errorf("PushAll of more than fits: %v, %v", ids, err)
	}
	if got := contents(t, q); got != "2 3 4" {
		t.Errorf("in the queue: %s", got)
	}
	mustPop(t, q, "2", "3", "4")
}

// The bound is exact, however many producers push at the same time.
func TestMaxLenOfManyProducers(t *testing.T) {
	target := zktest.Open(t)
	const bound, producers = 10, 4
	pushed := make(chan int)
	for range producers {
		q := texts(target.Session(t), queue.WithMaxLen(bound))
		go func() {
			for n := 0; ; n++ {
				if _, err := q.Push(testkit.Soon(t), "x"); err != nil {
					if err != queue.ErrFull {
						t.Error(err)
					}
					pushed <- n
					return
				}
			}
		}()
	}
	total := 0
	for range producers {
		total += <-pushed
	}
	s := target.Session(t)
	testkit.Sync(t, s)
	n, err := texts(s).Len(t.Context())
	if total != bound || n != bound || err != nil {
		t.Errorf("pushed %d, and there are %d, %v", total, n, err)
	}
}

// If several producers see room for one more item, only one of them pushes.
func TestMaxLenIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		const bound, producers = 5, 8
		mustPush(t, texts(srv.Session(t)), "1", "2", "3")
		errs := make(chan error)
		for range producers {
			q := texts(testkit.SlowSession(t, srv, time.Millisecond), queue.WithMaxLen(bound))
			go func() { _, err := q.Push(testkit.Soon(t), "x"); errs <- err }()
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
