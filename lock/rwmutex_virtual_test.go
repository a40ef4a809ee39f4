package lock_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file need faults or virtual time, and therefore the in-process
// server.

// The round trips that the doc comments of RWMutex state, counted on the wire.
func TestReadWriteRoundTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		far := distance{t, 10 * time.Millisecond}
		a, b, c := lock.NewRW(far.session(srv), path), lock.NewRW(far.session(srv), path), lock.NewRW(far.session(srv), path)
		mustUnlock(t, take(t, a.Lock)) // creates the parents
		var r, w *lock.Lease
		far.takes(1, "a free RLock", func() { r = take(t, a.RLock) })
		var beside *lock.Lease
		far.takes(1, "an RLock beside a reader", func() { beside = take(t, b.RLock) })
		mustUnlock(t, beside)

		writer := taking(t, b.Lock)
		time.Sleep(time.Second)
		srv.ResetRequests()
		far.takes(1, "a hand-off from a reader to a writer", func() { go r.Unlock(t.Context()); w = <-writer })
		expectRequests(t, srv, "delete")

		readers := []<-chan *lock.Lease{taking(t, a.RLock), taking(t, c.RLock)}
		time.Sleep(time.Second)
		srv.ResetRequests()
		var rs []*lock.Lease
		far.takes(1, "a hand-off from a writer to readers", func() {
			go w.Unlock(t.Context())
			rs = append(rs, <-readers[0], <-readers[1])
		})
		expectRequests(t, srv, "delete")
		mustUnlock(t, rs[0])
		mustUnlock(t, rs[1])

		w = take(t, a.Lock)
		writer = taking(t, b.Lock)
		time.Sleep(time.Second)
		srv.ResetRequests()
		far.takes(2, "a hand-off from a writer to a writer", func() { go w.Unlock(t.Context()); w = <-writer })
		expectRequests(t, srv, "delete", "getChildren2")
		far.takes(1, "Downgrade", func() {
			var err error
			if r, err = w.Downgrade(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
		mustUnlock(t, r)
	})
}

// distance is the delay of every byte in each direction.
type distance struct {
	testing.TB
	delay time.Duration
}

func (d distance) session(srv *zktest.Server) *session.Session {
	return testkit.SlowSession(d.TB, srv, d.delay)
}

// takes checks that f takes n round trips.
func (d distance) takes(n int, what string, f func()) {
	d.Helper()
	start := time.Now()
	f()
	if took := time.Since(start); took != time.Duration(n)*2*d.delay {
		d.Errorf("%s took %v, where a round trip takes %v", what, took, 2*d.delay)
	}
}

func expectRequests(t *testing.T, srv *zktest.Server, want ...string) {
	t.Helper()
	var got []string
	for _, r := range srv.Requests() {
		got = append(got, r.Op)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the requests were %q, and should be %q", got, want)
	}
}

// Curator's fault 3.15: the number after 2147483647 is -2147483648, for readers,
// writers and downgraded writers.
func TestReadWriteSequenceWraps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		m := lock.NewRW(srv.Session(t), path)
		mustUnlock(t, take(t, m.Lock))
		srv.JumpSequence(path, 1<<31-1)
		first := take(t, m.Lock)
		second := taking(t, m.Lock)
		synctest.Wait()
		reader := taking(t, m.RLock)
		synctest.Wait()
		if tree := srv.Tree(); !strings.Contains(tree, "__WRIT__2147483647") || !strings.Contains(tree, "__WRIT__-2147483648") {
			t.Fatalf("the numbers have not wrapped:\n%s", tree)
		}
		downgraded, err := first.Downgrade(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		waits(t, "the writer behind", second)
		waits(t, "the reader behind it", reader)
		mustUnlock(t, downgraded)
		second2, err := (<-second).Downgrade(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(second2.Path(), "__READ__2147483646") { // ahead of all contenders that are ordered by creation
			t.Errorf("the reader is %s", second2.Path())
		}
		refused(t, "TryLock beside it", m.TryLock)
		mustUnlock(t, <-reader)
		mustUnlock(t, second2)
	})
}

// A reader, like a writer, keeps its position through outages (Curator's fault 3.12),
// and is notified when its node is deleted (3.10) and when its session expires (3.9).
func TestReaderIsNotifiedOfLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		ma, mb := lock.NewRW(a, path), lock.NewRW(b, path)
		w := take(t, ma.Lock)
		r := taking(t, mb.RLock)
		time.Sleep(time.Second)
		place := func() string {
			cs, err := ma.Contenders(t.Context())
			if err != nil || len(cs) != 2 {
				t.Fatal(cs, err)
			}
			return cs[1].Path
		}
		before := place()
		srv.Stop()
		time.Sleep(2 * time.Second)
		if err := srv.Restart(); err != nil {
			t.Fatal(err)
		}
		if after := place(); after != before {
			t.Errorf("the reader had %s, and has %s", before, after)
		}
		if err := b.Delete(t.Context(), before, session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if after := place(); after == before {
			t.Error("the reader does not stand in line again")
		}
		d, err := w.Downgrade(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		shared := <-r
		for _, l := range []*lock.Lease{shared, d} {
			if err := a.Delete(t.Context(), l.Path(), session.AnyVersion); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if err := l.Err(); err == nil {
				t.Error("a reader whose node was deleted holds its lease")
			}
		}
		l := take(t, ma.RLock)
		srv.Expire(a.Status().ID)
		start := time.Now()
		testkit.AwaitDone(t, l.Context())
		if d := time.Since(start); d > 3*time.Second {
			t.Errorf("a reader whose session has expired held its lease for %v", d)
		}
		mustUnlock(t, take(t, mb.Lock))
	})
}
