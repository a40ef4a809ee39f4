package session_test

import (
	"testing"
	"testing/synctest"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
)

func TestWatchListingsInOneFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		testkit.Create(t, z, "/a", "")
		testkit.Create(t, z, "/a/child", "")
		testkit.Create(t, z, "/c", "")
		ls, err := epoch(t, z).WatchListings(t.Context(), "/a", "/b", "/c")
		if err != nil || len(ls) != 3 {
			t.Fatalf("%v, %v", ls, err)
		}
		if len(ls[0].Names) != 1 || ls[0].Names[0] != "child" || ls[0].Stat.NumChildren != 1 || ls[0].Err != nil {
			t.Errorf("/a: %+v", ls[0])
		}
		if testkit.WantError(t, ls[1].Err, session.ErrNoNode); ls[1].Watch != nil {
			t.Error("a node that does not exist is watched")
		}
		if len(ls[2].Names) != 0 || ls[2].Stat.Czxid == 0 || ls[2].Err != nil {
			t.Errorf("/c: %+v", ls[2])
		}
		if len(s.Watches()) != 2 {
			t.Errorf("watches: %v", s.Watches())
		}
		testkit.Create(t, z, "/c/child", "")
		if hasFired(ls[0].Watch) || !hasFired(ls[2].Watch) {
			t.Error("a child of /c fires the watch of /a, or not its own")
		}
		ls[0].Watch.Close()
		noWatches(t, s)

		if ls, err := epoch(t, z).WatchListings(t.Context()); ls != nil || err != nil {
			t.Errorf("of nothing: %v, %v", ls, err)
		}
		_, err = epoch(t, z).WatchListings(t.Context(), "/a", "b")
		testkit.WantError(t, err, session.ErrInvalid)
		noWatches(t, s)
	})
}

// Stats returns the Stat of each node that exists, without data and without a watch.
func TestStatsInOneFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		testkit.Create(t, z, "/a", "data")
		ns, err := epoch(t, z).Stats(t.Context(), "/a", "/b")
		if err != nil || len(ns) != 2 {
			t.Fatalf("%v, %v", ns, err)
		}
		if ns[0].Path != "/a" || ns[0].Stat.DataLength != 4 || ns[0].Stat.Czxid == 0 || ns[0].Data != nil || ns[0].Err != nil {
			t.Errorf("/a: %+v", ns[0])
		}
		testkit.WantError(t, ns[1].Err, session.ErrNoNode)
		noWatches(t, s)
		if ns, err := epoch(t, z).Stats(t.Context()); ns != nil || err != nil {
			t.Errorf("of nothing: %v, %v", ns, err)
		}
		_, err = epoch(t, z).Stats(t.Context(), "/a", "b")
		testkit.WantError(t, err, session.ErrInvalid)
	})
}

// One channel serves many watches: it receives once for any number of them that fire before
// it is read, and for those that fired before Notify.
func TestWatchNotify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		wakeup := make(chan struct{}, 1)
		received := func() int {
			synctest.Wait()
			select {
			case <-wakeup:
				return 1
			default:
				return 0
			}
		}
		a, b, c := watchNode(t, z, "/a"), watchNode(t, z, "/b"), watchNode(t, z, "/c")
		a.Notify(wakeup)
		b.Notify(wakeup)
		if received() != 0 {
			t.Error("it received before anything has happened")
		}
		testkit.Create(t, z, "/a", "")
		testkit.Create(t, z, "/b", "")
		if received() != 1 || received() != 0 {
			t.Error("two that fire do not send once")
		}
		testkit.Create(t, z, "/c", "") // without Notify
		if received() != 0 {
			t.Error("a watch without Notify sends to a channel")
		}
		c.Notify(wakeup)
		if received() != 1 {
			t.Error("a watch that has fired does not send")
		}

		full := make(chan struct{}) // never received from
		d := watchNode(t, z, "/d")
		d.Notify(full)
		testkit.Create(t, z, "/d", "")
		if !hasFired(d) {
			t.Error("a full channel blocks the watch")
		}
		e := watchNode(t, z, "/e")
		e.Notify(wakeup)
		e.Close()
		testkit.Create(t, z, "/e", "")
		if received() != 0 {
			t.Error("a closed watch received")
		}
		noWatches(t, s)
	})
}
