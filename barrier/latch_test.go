package barrier_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

const latchPath = "/app/latch"

func wantCount(t testing.TB, l *barrier.Latch, want int) {
	t.Helper()
	if got, err := l.Count(testkit.Soon(t)); got != want || err != nil {
		t.Errorf("the count is %d (%v), want %d", got, err, want)
	}
}

func countDown(t testing.TB, l *barrier.Latch) {
	t.Helper()
	if err := l.CountDown(testkit.Soon(t)); err != nil {
		t.Error(err)
	}
}

// Waiters return when the last of n calls has counted down, and later ones at once.
func TestLatch(t *testing.T) {
	target := zktest.Open(t)
	s, other := target.Session(t), target.Session(t)
	const n = 5
	l := barrier.NewLatch(s, latchPath, n)
	wantCount(t, l, n)
	waits := make(chan error, 2)
	for _, s := range []*session.Session{s, other} {
		go func() { waits <- barrier.NewLatch(s, latchPath, n).Wait(testkit.Soon(t)) }()
	}
	for left := n - 1; left >= 0; left-- {
		if len(waits) > 0 {
			t.Errorf("a wait returned %v at count %d", <-waits, left+1)
		}
		countDown(t, barrier.NewLatch(other, latchPath, n))
		wantCount(t, l, left)
	}
	for range 2 {
		if err := testkit.Receive(t, waits); err != nil {
			t.Error(err)
		}
	}
	if err := l.Wait(testkit.Soon(t)); err != nil {
		t.Error(err)
	}
	countDown(t, l)
	wantCount(t, l, 0)
	if data, _, err := s.Get(t.Context(), latchPath); string(data) != "0/5" || err != nil {
		t.Errorf("the node holds %q (%v)", data, err)
	}
	testkit.NoWatches(t, target, s, other)
}

// Every call of many processes at the same time counts once.
func TestLatchContention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		const processes, each = 8, 10
		l := func() *barrier.Latch { return barrier.NewLatch(srv.Session(t), latchPath, processes*each+1) }
		var all sync.WaitGroup
		for range processes {
			mine := l()
			all.Go(func() {
				for range each {
					countDown(t, mine)
				}
			})
		}
		all.Wait()
		wantCount(t, l(), 1)
	})
}

// A wait for a latch without a node waits for the node. A wait that has seen the node
// returns an error when the node is deleted, and the next CountDown starts over.
func TestLatchNodeDeleted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, other := srv.Session(t), srv.Session(t)
		l := barrier.NewLatch(s, latchPath, 2)
		done := make(chan error, 1)
		wait := func() {
			go func() { done <- l.Wait(testkit.Within(t, time.Hour)) }()
			synctest.Wait()
		}
		wait()
		countDown(t, l)
		synctest.Wait()
		testkit.Delete(t, other, latchPath)
		testkit.WantOpError(t, <-done, session.ErrNoNode, latchPath)

		wait()
		wantCount(t, l, 2)
		countDown(t, l)
		synctest.Wait()
		if len(done) > 0 {
			t.Fatalf("Wait returned %v", <-done)
		}
		countDown(t, l)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A wait that ends with its context returns an error, at whichever request that happens,
// with and without a node.
func TestLatchWaitCanceled(t *testing.T) {
	enough := errors.New("enough")
	for _, exists := range []bool{false, true} {
		for n := range 3 {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				s := srv.Session(t)
				l := barrier.NewLatch(s, latchPath, 2)
				if exists {
					countDown(t, l)
				}
				ctx, cancel := context.WithCancelCause(t.Context())
				requests := 0
				defer srv.Fault(func(r zktest.Request) zktest.Fault {
					if r.Path == latchPath {
						if requests == n {
							cancel(enough)
						}
						requests++
					}
					return zktest.Pass
				})()
				defer time.AfterFunc(time.Minute, func() { cancel(enough) }).Stop()
				err := l.Wait(ctx)
				testkit.WantOpError(t, err, enough, latchPath)
				if !strings.HasPrefix(err.Error(), "barrier: wait for ") {
					t.Errorf("the error does not name the package: %v", err)
				}
			})
		}
	}
}

// A wait goes on in the next ZooKeeper session, and ends with its context.
func TestLatchWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		client := srv.Client()
		s, other := client.Session(t), srv.Session(t)
		done := make(chan error, 1)
		go func() { done <- barrier.NewLatch(s, latchPath, 1).Wait(testkit.Within(t, time.Hour)) }()
		synctest.Wait()
		reconnect := client.Partition()
		time.Sleep(time.Minute)
		countDown(t, barrier.NewLatch(other, latchPath, 1))
		synctest.Wait()
		if len(done) > 0 {
			t.Fatalf("Wait of a session that is cut off returned %v", <-done)
		}
		reconnect()
		if err := <-done; err != nil {
			t.Error(err)
		}

		l := barrier.NewLatch(s, "/app/never", 1)
		err := l.Wait(testkit.Within(t, time.Minute))
		var oe *session.OpError
		if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &oe) {
			t.Errorf("Wait: %v", err)
		}
		synctest.Wait()
		if w := srv.Watches(); len(w) > 0 {
			t.Errorf("watches are left: %v", w)
		}
	})
}

// A node that does not belong to the latch is not written.
func TestLatchOfOthers(t *testing.T) {
	s := zktest.Open(t).Session(t)
	for data, want := range map[string]error{
		"": codec.ErrMalformed, "2": codec.ErrMalformed, "3/2": codec.ErrMalformed, "-1/2": codec.ErrMalformed, "1/02": codec.ErrMalformed,
		"1/2/3": codec.ErrMalformed, "host:1": codec.ErrMalformed, "3/3": barrier.ErrCount,
	} {
		path := "/latch-" + session.GUID()
		testkit.Create(t, s, path, data)
		l := barrier.NewLatch(s, path, 2)
		_, countErr := l.Count(t.Context())
		for name, err := range map[string]error{"CountDown": l.CountDown(t.Context()), "Wait": l.Wait(t.Context()), "Count": countErr} {
			var oe *session.OpError
			if !errors.Is(err, want) || !errors.As(err, &oe) || oe.Package != "barrier" {
				t.Errorf("%s at %q: %v", name, data, err)
			}
		}
		if got, _, err := s.Get(t.Context(), path); string(got) != data || err != nil {
			t.Errorf("%q became %q (%v)", data, got, err)
		}
	}
	for name, err := range map[string]error{
		"no count": barrier.NewLatch(s, latchPath, 0).CountDown(t.Context()),
		"bad path": barrier.NewLatch(s, "latch", 1).Wait(t.Context()),
	} {
		testkit.WantError(t, err, session.ErrInvalid)
		if err == nil {
			t.Error(name)
		}
	}
}

// CountDown takes two round trips, a wait for a latch that is open one.
func TestLatchRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		l := barrier.NewLatch(s, "/latch", 3)
		countDown(t, l)
		srv.ResetRequests()
		countDown(t, l)
		if got := len(srv.Requests()); got != 2 {
			t.Errorf("CountDown makes %d requests: %v", got, srv.Requests())
		}
		countDown(t, l)
		srv.ResetRequests()
		if err := l.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if got := srv.Requests(); len(got) < 1 || len(got) > 2 || got[0].Op != "getData" { // the second gives up the watch
			t.Errorf("Wait makes the requests %v", got)
		}
	})
}

// Whatever happens to any two requests, a call that returns nil has counted once, and
// one that returns another error than ErrUnknown not at all. Waits return at 0.
func TestFaultsLatch(t *testing.T) {
	faulttable.Test(t, func(s *faulttable.Run) {
		const n = 3
		ctx, cancel := context.WithTimeout(s.Context(), time.Hour)
		defer cancel()
		waits := make(chan error, 2)
		for _, z := range []*session.Session{s.Faulty, s.Healthy} {
			go func() { waits <- barrier.NewLatch(z, latchPath, n).Wait(ctx) }()
		}
		counted, unknown := 0, 0
		for range 2 {
			switch err := barrier.NewLatch(s.Faulty, latchPath, n).CountDown(ctx); {
			case err == nil:
				counted++
			case errors.Is(err, session.ErrUnknown):
				unknown++
			default:
				s.Errorf("CountDown: %v", err)
			}
		}
		healthy := barrier.NewLatch(s.Healthy, latchPath, n)
		left, err := healthy.Count(ctx)
		if done := n - left; err != nil || done < counted || done > counted+unknown {
			s.Errorf("the count is %d (%v) after %d calls and %d of unknown outcome", left, err, counted, unknown)
		}
		for range left {
			countDown(s, healthy)
		}
		for range 2 {
			if err := <-waits; err != nil {
				s.Errorf("Wait: %v", err)
			}
		}
	})
}
