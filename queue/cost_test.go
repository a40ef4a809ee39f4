package queue_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A waiter is woken by changes that do not concern it no more often than the number
// of children allows, and the waiters of one process are woken together.
func TestWaitersAreCheap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := texts(srv.Session(t)), texts(srv.Session(t))
		var vs []string
		for i := range 2000 {
			vs = append(vs, fmt.Sprint(i))
		}
		if _, err := a.PushAll(t.Context(), vs, queue.WithNotBefore(time.Now().Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				if v, err := b.Pop(testkit.Soon(t)); v != "x" || err != nil {
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

// The documented round trips, counted on the wire.
func TestRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := texts(srv.Session(t)), texts(srv.Session(t))
		mustPush(t, a, "0")
		mustAck(t, mustClaim(t, b, "0"))
		mustPush(t, a, "1", "2", "3", "4")
		mustPop(t, b, "1") // knows the names now
		synctest.Wait()
		var item *queue.Item[string]
		for _, c := range []struct {
			name string
			call func()
			want string
		}{
			{"Push", func() { mustPush(t, a, "5") }, "multi"},
			{"Pop", func() { mustPop(t, a, "2") }, "getChildren2 getChildren2 getData multi"},
			{"Pop again", func() { mustPop(t, a, "3") }, "getData getData multi"},
			{"Claim", func() { item = mustClaim(t, a, "4") }, "getData getData multi exists"}, // the last in the background
			{"Nack", func() { mustNack(t, item) }, "multi"},
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

// The cost of an item, in requests and in bytes, does not depend on how many items
// wait.
func TestCostDoesNotGrow(t *testing.T) {
	for _, how := range []string{"Pop", "PopN", "Consume"} {
		requests, bytes := map[int]float64{}, map[int]float64{}
		for _, n := range []int{200, 2000} {
			srv := zktest.New(t)
			fill(t, texts(srv.Session(t)), n)
			var all notes[session.RequestInfo]
			drains[how](t, srv.Session(t, session.WithHooks(session.Hooks{Request: func(r session.RequestInfo) { all.add(r) }})), n)
			for _, r := range all.take() {
				requests[n] += 1 / float64(n)
				bytes[n] += float64(r.Sent+r.Received) / float64(n)
			}
		}
		t.Logf("%s: requests %v, bytes %v", how, requests, bytes)
		if requests[2000] > 1.3*requests[200] || bytes[2000] > 1.3*bytes[200] {
			t.Errorf("%s: requests and bytes for an item, by the length of the queue: %v, %v", how, requests, bytes)
		}
	}
}
