package queue_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Curator's fault 3.19: another consumer's lock is deleted, and no waiter is woken.
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
				testkit.AwaitDone(t, item.Context())
				testkit.WantError(t, item.Err(), queue.ErrLost)
				testkit.WantError(t, item.Ack(t.Context()), queue.ErrLost)
				testkit.WantError(t, item.Nack(t.Context()), queue.ErrLost)
				testkit.WantError(t, item.Bury(t.Context(), errors.New("late")), queue.ErrLost)
				mustAck(t, second)
				wantEmpty(t, qb)
				if ls := dead(t, qb); len(ls) > 0 {
					t.Errorf("dead letters: %v", ls)
				}
			})
		})
	}
}

// If a client deletes a claim, its consumer loses the item and is notified.
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
		testkit.AwaitDone(t, item.Context())
		testkit.WantError(t, item.Err(), queue.ErrLost)
		testkit.WantError(t, item.Err(), session.ErrNoNode)
		mustAck(t, mustClaim(t, q, "x")) // it has its old place in this process, too
	})
}

// A session proves itself while it waits for a claim, so that the claim begins with
// the reply to its creation, however old the request is then.
func TestClaimBeginsWithItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithContainerCheck(time.Hour)) // the folders stay
		const trip, busy = 200 * time.Millisecond, 2 * time.Second
		q, other := texts(testkit.SlowSession(t, srv, trip/2)), texts(srv.Session(t))
		mustPush(t, other, "x")
		mustAck(t, mustClaim(t, q, "x")) // makes the folders
		claimed := make(chan *queue.Item[string])
		go func() { claimed <- mustClaim(t, q, "y") }()
		time.Sleep(time.Minute)
		defer srv.Inject(zktest.Rule{Op: "multi", Path: path + "/claims/*", Delay: busy})()
		start := time.Now()
		mustPush(t, other, "y")
		item := <-claimed
		if d := time.Since(start); d != trip/2+3*trip+busy { // the event, the list, the item, the claim
			t.Errorf("claimed after %v", d)
		}
		mustAck(t, item)
	})
}

// An acknowledgement has no effect if another consumer has the claim, although the
// claim's node has the same name.
func TestAckOfAnothersClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		mustPush(t, texts(a), "x")
		item := mustClaim(t, texts(a), "x")
		srv.Inject(zktest.Rule{Op: "multi", Session: a.Status().ID, Nth: 1, Delay: time.Second})
		acked := make(chan error)
		go func() { acked <- item.Ack(testkit.Soon(t)) }()
		synctest.Wait()
		names, _, _ := b.Children(t.Context(), path+"/claims")
		if err := b.Delete(t.Context(), path+"/claims/"+names[0], session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		second := mustClaim(t, texts(b), "x")
		testkit.WantError(t, <-acked, queue.ErrLost)
		mustAck(t, second)
	})
}

func TestClaim(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	a, b := texts(s), texts(target.Session(t))
	if _, err := a.TryClaim(t.Context()); err != queue.ErrEmpty {
		t.Errorf("TryClaim of an empty queue: %v", err)
	}
	id, err := b.Push(t.Context(), "1")
	if err != nil {
		t.Fatal(err)
	}
	mustPush(t, b, "2")
	one := mustClaim(t, a, "1")
	if one.ID != id || one.Attempt != 1 || one.Err() != nil {
		t.Errorf("item %+v, want the id %s", one, id)
	}
	two := mustClaim(t, b, "2")
	wantEmpty(t, b)
	testkit.Sync(t, s)
	wantEmpty(t, a)
	if _, err := a.TryClaim(t.Context()); err != queue.ErrEmpty {
		t.Errorf("TryClaim of an empty queue: %v", err)
	}
	if got := contents(t, a); got != "1(claimed) 2(claimed)" {
		t.Errorf("in the queue: %s", got)
	}
	mustNack(t, one)
	testkit.WantError(t, one.Err(), queue.ErrSettled)
	testkit.AwaitDoneSoon(t, one.Context())
	testkit.WantError(t, one.Ack(t.Context()), queue.ErrSettled)
	mustAck(t, two)
	testkit.WantError(t, two.Nack(t.Context()), queue.ErrSettled)
	one = mustClaim(t, b, "1")
	if one.Attempt != 2 {
		t.Errorf("attempt %d", one.Attempt)
	}
	mustAck(t, one)
	testkit.Sync(t, s)
	wantEmpty(t, a)
	if n, err := a.Len(t.Context()); n != 0 || err != nil {
		t.Errorf("%d items are left, %v", n, err)
	}
	if n := target.Ephemerals(t); n > 3 { // the receipts
		t.Errorf("%d ephemeral nodes are left", n)
	}
}

// A waiter claims an item as soon as another consumer puts it back.
func TestNackWakesOthers(t *testing.T) {
	target := zktest.Open(t)
	a, b := texts(target.Session(t)), texts(target.Session(t))
	mustPush(t, a, "x")
	item := mustClaim(t, a, "x")
	for name, take := range map[string]func() (string, error){
		"Claim": func() (string, error) {
			item, err := b.Claim(testkit.Soon(t))
			if err != nil {
				return "", err
			}
			return item.Value, item.Nack(testkit.Soon(t))
		},
		"Pop": func() (string, error) { return b.Pop(testkit.Soon(t)) },
	} {
		got := make(chan string)
		go func() {
			v, err := take()
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			got <- v
		}()
		mustNack(t, item)
		if v := <-got; v != "x" {
			t.Errorf("%s: %q", name, v)
		}
		if name == "Pop" {
			mustPush(t, a, "x")
		}
		item = mustClaim(t, a, "x")
	}
	mustAck(t, item)
}

// An item that is put back keeps its position.
func TestNackKeepsPlace(t *testing.T) {
	s := zktest.Open(t).Session(t)
	q := texts(s)
	mustPush(t, q, "1", "2", "3")
	one := mustClaim(t, q, "1")
	two := mustClaim(t, q, "2")
	mustNack(t, two)
	mustNack(t, one)
	mustPop(t, q, "1", "2", "3")
}

// The version of an item counts its claims, so that writes can be made to depend on
// a claim.
func TestGuard(t *testing.T) {
	s := zktest.Open(t).Session(t)
	q := texts(s)
	mustPush(t, q, "x")
	item := mustClaim(t, q, "x")
	if _, err := s.Txn(t.Context(), item.Guards()...); err != nil {
		t.Errorf("of a claimed item: %v", err)
	}
	mustNack(t, item)
	second := mustClaim(t, q, "x")
	_, err := s.Txn(t.Context(), item.Guards()...)
	testkit.WantError(t, err, session.ErrBadVersion)
	mustAck(t, second)
	_, err = s.Txn(t.Context(), second.Guards()...)
	testkit.WantError(t, err, session.ErrNoNode)
}
