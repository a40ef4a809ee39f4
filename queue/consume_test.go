package queue_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// consuming runs Consume until stop is called.
func consuming(t testing.TB, q *queue.Queue[string], fn func(context.Context, *queue.Item[string]) error, opts ...queue.ConsumeOption) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- q.Consume(ctx, fn, opts...) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Consume: %v", err)
		}
	}
}

func TestConsume(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	producer := texts(s)
	var want []string
	for i := range 60 {
		want = append(want, fmt.Sprintf("%02d", i))
	}
	if _, err := producer.PushAll(t.Context(), want[:30]); err != nil {
		t.Fatal(err)
	}
	got := make(chan string)
	var stops []func()
	for _, n := range []int{1, 7} {
		stops = append(stops, consuming(t, texts(target.Session(t)), func(_ context.Context, item *queue.Item[string]) error {
			got <- item.Value
			return nil
		}, queue.WithConcurrency(n)))
	}
	var all []string
	for len(all) < len(want) {
		if all = append(all, <-got); len(all) == 20 {
			mustPush(t, producer, want[30:]...)
		}
	}
	for _, stop := range stops {
		stop()
	}
	slices.Sort(all)
	if !slices.Equal(all, want) {
		t.Errorf("consumed %q", all)
	}
	testkit.Sync(t, s)
	if n, err := producer.Len(t.Context()); n != 0 || err != nil {
		t.Errorf("%d items are left, %v", n, err)
	}
}

// One consumer with a concurrency of 1 consumes in order.
func TestConsumeInOrder(t *testing.T) {
	s := zktest.Open(t).Session(t)
	q := texts(s)
	var want []string
	for i := range 30 {
		want = append(want, fmt.Sprint(i))
	}
	if _, err := q.PushAll(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	var consumed notes[string]
	done := make(chan struct{})
	stop := consuming(t, q, func(_ context.Context, item *queue.Item[string]) error {
		if consumed.add(item.Value) == len(want) {
			close(done)
		}
		return nil
	})
	<-done
	stop()
	if got := consumed.take(); !slices.Equal(got, want) {
		t.Errorf("consumed %q", got)
	}
	wantEmpty(t, q)
}

func TestConsumeConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := texts(zktest.New(t).Session(t))
		for i := range 20 {
			mustPush(t, q, fmt.Sprint(i))
		}
		var mu sync.Mutex
		running, most := 0, 0
		start := time.Now()
		stop := consuming(t, q, func(context.Context, *queue.Item[string]) error {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			return nil
		}, queue.WithConcurrency(4))
		for n := 20; n > 0; n, _ = q.Len(t.Context()) {
			time.Sleep(100 * time.Millisecond)
		}
		if d := time.Since(start).Round(time.Second); most != 4 || d != 5*time.Second {
			t.Errorf("%d at a time, and all took %v", most, d)
		}
		stop()
	})
}

// Failed attempts are repeated after a growing pause while other items are
// consumed, and the last attempt makes a dead letter with its error.
func TestConsumeFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := texts(zktest.New(t).Session(t))
		mustPush(t, q, "poison", "good", "better")
		start := time.Now()
		var tries notes[time.Duration]
		var good notes[string]
		stop := consuming(t, q, func(_ context.Context, item *queue.Item[string]) error {
			if item.Value != "poison" {
				good.add(item.Value)
				return nil
			}
			n := tries.add(time.Since(start))
			if item.Attempt != n {
				t.Errorf("attempt %d is called %d", n, item.Attempt)
			}
			return fmt.Errorf("failed for the %d. time", n)
		}, queue.WithMaxAttempts(4))
		time.Sleep(time.Second / 20)
		if got := good.take(); !slices.Equal(got, []string{"good", "better"}) {
			t.Errorf("consumed meanwhile: %q", got)
		}
		time.Sleep(time.Minute)
		stop()
		want := []time.Duration{0, 100 * time.Millisecond, 300 * time.Millisecond, 700 * time.Millisecond}
		if got := tries.take(); !slices.Equal(got, want) {
			t.Errorf("tried after %v, want %v", got, want)
		}
		ls := dead(t, q)
		if len(ls) != 1 || string(ls[0].Data) != "poison" || ls[0].Reason != "failed for the 4. time" || ls[0].Attempts != 4 {
			t.Errorf("dead letters: %+v", ls)
		}
		wantEmpty(t, q)
	})
}

// The pause is bounded, whatever the number of the attempt.
func TestPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := texts(zktest.New(t).Session(t))
		mustPush(t, q, "poison")
		var tries notes[time.Time]
		fail := func(context.Context, *queue.Item[string]) error {
			tries.add(time.Now())
			return errors.New("failed")
		}
		stop := consuming(t, q, fail)
		time.Sleep(30 * time.Minute)
		stop()
		at := tries.take()
		if n := len(at); n < 60 || n > 80 || at[n-1].Sub(at[n-2]) != 30*time.Second {
			t.Errorf("%d attempts in half an hour", n)
		}
		stop = consuming(t, q, fail, queue.WithRetryAfter(func(int) time.Duration { return time.Hour }))
		time.Sleep(150 * time.Minute)
		stop()
		if n := len(tries.take()); n != 3 {
			t.Errorf("%d attempts in two and a half hours", n)
		}
	})
}

// Curator's fault 3.19: attempts of consumers that died are counted, so that an
// item that kills its consumers is not retried without end.
func TestConsumersThatDieCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		q := texts(srv.Session(t))
		mustPush(t, q, "deadly")
		for range 3 {
			s := srv.Session(t)
			mustClaim(t, texts(s), "deadly")
			s.Close(t.Context())
		}
		stop := consuming(t, q, func(_ context.Context, item *queue.Item[string]) error {
			t.Errorf("consumed in attempt %d", item.Attempt)
			return nil
		}, queue.WithMaxAttempts(3))
		time.Sleep(time.Minute)
		stop()
		if ls := dead(t, q); len(ls) != 1 || ls[0].Attempts != 4 {
			t.Errorf("dead letters: %+v", ls)
		}
	})
}

// fn's context ends when the claim is lost, and another consumer claims the item
// immediately.
func TestConsumeLosesClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		mustPush(t, texts(b), "x")
		causes, attempts := make(chan error, 1), make(chan int, 9)
		first := consuming(t, texts(a), func(ctx context.Context, item *queue.Item[string]) error {
			if item.Attempt == 1 {
				<-ctx.Done()
				causes <- context.Cause(ctx)
				return ctx.Err()
			}
			attempts <- item.Attempt // in its next session
			return nil
		})
		time.Sleep(time.Second)
		second := consuming(t, texts(b), func(_ context.Context, item *queue.Item[string]) error {
			attempts <- item.Attempt
			return nil
		})
		time.Sleep(time.Second)
		start := time.Now()
		heal := srv.Partition(a.Status().ID)
		testkit.WantError(t, <-causes, queue.ErrLost)
		told := time.Now()
		if n := <-attempts; n != 2 {
			t.Errorf("attempt %d", n)
		}
		if d := time.Since(start); d > 11*time.Second || !time.Now().After(told) {
			t.Errorf("consumed again after %v, and the first was told after %v", d, told.Sub(start))
		}
		heal()
		time.Sleep(time.Minute)
		first()
		second()
		wantEmpty(t, texts(b))
	})
}

// Consume returns after its running calls, and leaves unfinished items at their
// positions.
func TestConsumeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		q := texts(srv.Session(t))
		mustPush(t, q, "done", "given up", "not begun")
		var ended notes[string]
		stop := consuming(t, q, func(ctx context.Context, item *queue.Item[string]) error {
			<-ctx.Done()
			time.Sleep(time.Second)
			ended.add(item.Value)
			if item.Value == "done" {
				return nil
			}
			return context.Cause(ctx)
		}, queue.WithConcurrency(2))
		time.Sleep(time.Second)
		stop()
		if n := len(ended.take()); n != 2 {
			t.Errorf("%d of two have ended", n)
		}
		if got := contents(t, q); got != "given up not begun" {
			t.Errorf("left: %s", got)
		}
	})
}

// fn may settle the item itself.
func TestConsumeSettledByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := texts(zktest.New(t).Session(t))
		mustPush(t, q, "ack", "nack", "bury")
		stop := consuming(t, q, func(ctx context.Context, item *queue.Item[string]) error {
			switch {
			case item.Attempt > 1:
				return nil
			case item.Value == "ack":
				if err := item.Ack(ctx); err != nil {
					t.Error(err)
				}
				return errors.New("which comes too late")
			case item.Value == "nack":
				return item.Nack(ctx)
			case item.Value == "bury":
				if err := item.Bury(ctx, errors.New("reason")); err != nil {
					t.Error(err)
				}
			}
			return ctx.Err()
		})
		time.Sleep(time.Minute)
		stop()
		wantEmpty(t, q)
		if ls := dead(t, q); len(ls) != 1 || string(ls[0].Data) != "bury" {
			t.Errorf("dead letters: %+v", ls)
		}
	})
}

// Concurrent acknowledgements share a transaction, and so do claims.
func TestConsumeInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		q := texts(srv.Session(t))
		var vs []string
		for i := range 400 {
			vs = append(vs, fmt.Sprint(i))
		}
		if _, err := q.PushAll(t.Context(), vs); err != nil {
			t.Fatal(err)
		}
		srv.ResetRequests()
		srv.Inject(zktest.Rule{Op: "multi", Delay: time.Millisecond})
		stop := consuming(t, q, func(context.Context, *queue.Item[string]) error {
			time.Sleep(time.Second)
			return nil
		}, queue.WithConcurrency(50))
		time.Sleep(time.Minute)
		stop()
		wantEmpty(t, q)
		multis := 0
		for _, r := range srv.Requests() {
			if r.Op == "multi" && r.Path != "/" { // the proofs
				multis++
			}
		}
		if multis > 120 {
			t.Errorf("%d transactions for 400 items that come and go 50 at a time", multis)
		}
	})
}

func TestConsumeIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		owner := srv.Session(t, session.WithAuth("digest", []byte("joe:secret")))
		mustPush(t, texts(owner), "x")
		mustNack(t, mustClaim(t, texts(owner), "x"))
		// Items may be claimed but not removed.
		acl := []session.ACL{{Perms: session.PermAll &^ session.PermDelete, Scheme: "world", ID: "anyone"}}
		if _, err := owner.SetACL(t.Context(), path+"/items", acl, session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		err := texts(srv.Session(t)).Consume(testkit.Within(t, time.Hour), func(context.Context, *queue.Item[string]) error { return nil })
		testkit.WantError(t, err, session.ErrNoAuth)
		time.Sleep(time.Second)
		if got := contents(t, texts(owner)); got != "x" { // and not claimed
			t.Errorf("in the queue: %s", got)
		}
	})
}

// Every item is consumed, and no two consumers acknowledge the same item.
func TestFaultsConsume(t *testing.T) {
	play(t, 29, []string{"native"}, func(s *queueRun) {
		s.given("a", "b")
		var mu sync.Mutex
		seen := map[string]int{}
		consume := func(q *queue.Queue[string], until time.Duration) {
			stop := consuming(s, q, func(_ context.Context, item *queue.Item[string]) error {
				mu.Lock()
				defer mu.Unlock()
				seen[item.Value]++
				return nil
			}, queue.WithConcurrency(2))
			time.Sleep(until)
			stop()
		}
		consume(s.ours, 5*time.Second)
		consume(s.theirs, 15*time.Second)
		if seen["a"] == 0 || seen["b"] == 0 {
			s.Errorf("consumed: %v", seen)
		}
		wantEmpty(s, s.theirs)
	})
}
