package membership_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file need faults or virtual time, and so the embedded
// server.

// Curator's fault 3.22: its cache compares versions, so that it does not notice a node
// that is deleted and created again while it is disconnected.
func TestRejoinsWhileWatcherIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		g := group(a)
		one, two := join(t, g, "one", "1"), join(t, g, "two", "2")
		w := watch(t, group(b))
		last := w.until("one=1 two=2")
		for _, lost := range []bool{false, true} {
			heal := srv.Partition(b.Status().ID)
			leave(t, one)
			leave(t, two)
			if err := a.Delete(t.Context(), path, session.AnyVersion); err != nil { // and so its count of changes
				t.Fatal(err)
			}
			one, two = join(t, g, "one", "1"), join(t, g, "three", "2")
			if lost {
				time.Sleep(time.Minute)
			}
			heal()
			v := w.until("one=1 three=2")
			joined, left, changed := v.Diff(last)
			if len(joined) != 1 || len(left) != 1 || len(changed) != 1 || changed[0].Token != one.Token() {
				t.Errorf("joined %v, left %v, changed %v", joined, left, changed)
			}
			leave(t, two)
			two = join(t, g, "two", "2")
			last = w.until("one=1 two=2")
		}
		w.stop()
		leave(t, one)
		leave(t, two)
	})
}

// Curator's fault 3.23: the server deletes the empty container of a group, and its
// watchers get no more events.
func TestEmptyGroupIsReaped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithContainerCheck(time.Second))
		a, b := srv.Session(t), srv.Session(t)
		w := watch(t, group(b))
		w.until("")
		for range 3 {
			m := join(t, group(a), "one", "1")
			w.until("one=1")
			leave(t, m)
			w.until("")
			time.Sleep(10 * time.Second)
			if strings.Contains(srv.Tree(), path) {
				t.Errorf("the group is there:\n%s", srv.Tree())
			}
		}
		w.stop()
	})
}

// What the package says that its calls cost, counted at the server.
func TestRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		one := join(t, group(a), "one", "1") // makes the parents
		synctest.Wait()
		srv.ResetRequests()
		ops := func(s *session.Session, want string) {
			t.Helper()
			time.Sleep(time.Second)
			synctest.Wait()
			var got []string
			for _, r := range srv.Requests() {
				if r.Session == s.Status().ID {
					got = append(got, r.Op)
				}
			}
			srv.ResetRequests()
			if strings.Join(got, " ") != want {
				t.Errorf("sent %v, not %s", got, want)
			}
		}
		two := join(t, group(a), "two", "2")
		ops(a, "create2 exists")
		members(t, group(b), b)
		ops(b, "sync getChildren2 getData getData")
		w := watch(t, group(b))
		w.until("one=1 two=2")
		ops(b, "getChildren2 getData getData")
		update(t, one, "11")
		w.until("one=11 two=2")
		ops(b, "getData")
		three := join(t, group(a), "three", "")
		w.until("one=11 three= two=2")
		ops(b, "getChildren2 getData")
		leave(t, three)
		w.until("one=11 two=2")
		ops(b, "getChildren2")
		w.stop()
		ops(b, "removeWatches removeWatches removeWatches")
		leave(t, one)
		ops(a, "delete")
		leave(t, two)
	})
}

// However much a group changes, a watcher reads at a bounded rate, is never far
// behind, and ends with the truth.
func TestWatchersOfChangingGroup(t *testing.T) {
	const (
		nMembers, nWatchers = 200, 50
		churn               = 2 * time.Second
	)
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		home := srv.Session(t)
		g := group(home)
		ms := make([]*membership.Membership, nMembers)
		for i := range ms {
			ms[i] = join(t, g, fmt.Sprintf("m%03d", i), "0")
		}
		var all sync.WaitGroup
		defer all.Wait()
		watching, stop := context.WithCancel(t.Context())
		defer stop()
		var mu sync.Mutex
		views, latest := 0, map[int64]membership.Snapshot{}
		for range nWatchers {
			s := srv.Session(t)
			all.Go(func() {
				for v, err := range group(s).Watch(watching) {
					if err == nil {
						mu.Lock()
						views++
						latest[s.Status().ID] = v
						mu.Unlock()
					}
				}
			})
		}
		synctest.Wait()
		mu.Lock()
		if views != nWatchers {
			t.Errorf("%d views at first", views)
		}
		mu.Unlock()
		srv.ResetRequests()
		began := time.Now()
		for n := 0; time.Since(began) < churn; n++ { // 200 changes in a second
			i := n * 7 % nMembers
			if n%5 == 0 {
				leave(t, ms[i])
				ms[i] = join(t, g, ms[i].ID(), fmt.Sprint(n))
			} else {
				update(t, ms[i], fmt.Sprint(n))
			}
			time.Sleep(5 * time.Millisecond)
		}
		mu.Lock()
		reads := map[int64]int{}
		for _, r := range srv.Requests() {
			if _, ok := latest[r.Session]; ok && strings.HasPrefix(r.Path, path) {
				reads[r.Session]++
			}
		}
		t.Logf("%d watchers have seen %d views", nWatchers, views)
		for id, n := range reads {
			if rate := float64(n) / churn.Seconds(); rate > 300 {
				t.Errorf("session 0x%x has read %.0f times in a second", id, rate)
			}
		}
		if views < nWatchers*5 {
			t.Errorf("%d views in %v", views, churn)
		}
		mu.Unlock()
		time.Sleep(2 * time.Second)
		want := summary(members(t, g, home))
		mu.Lock()
		defer mu.Unlock()
		for id, v := range latest {
			if got := summary(v); got != want {
				t.Errorf("session 0x%x has seen last %s\nand there are %s", id, got, want)
			}
		}
	})
}

// A change that concerns neither the members nor their data yields no view.
func TestWatchYieldsNothingTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		m := join(t, group(a), "one", "1")
		w := watch(t, group(b))
		w.until("one=1")
		update(t, m, "1")
		if _, _, err := a.Create(t.Context(), path+"/foreign", nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		select {
		case v := <-w.views:
			t.Errorf("there are %v", v)
		default:
		}
		w.stop()
		leave(t, m)
	})
}

// Members that change faster than a watcher can read them all are seen all the
// same.
func TestWatchOfGroupThatNeverRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		var ms []*membership.Membership
		for _, id := range []string{"a", "b", "c"} {
			ms = append(ms, join(t, group(a), id, "0"))
		}
		w := watch(t, group(b))
		w.until("a=0 b=0 c=0")
		defer srv.Inject(zktest.Rule{Op: "getData", Session: b.Status().ID, Delay: 50 * time.Millisecond})()
		const seconds = 10
		views := 0
		for n := range 50 * seconds {
			for _, m := range ms {
				update(t, m, fmt.Sprint(n))
			}
			time.Sleep(20 * time.Millisecond)
			select {
			case <-w.views:
				views++
			default:
			}
		}
		if views < seconds/3 {
			t.Errorf("%d views in %d seconds", views, seconds)
		}
		last := 50*seconds - 1
		w.until(fmt.Sprintf("a=%d b=%d c=%d", last, last, last))
		w.stop()
		for _, m := range ms {
			leave(t, m)
		}
	})
}
