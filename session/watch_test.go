package session_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func hasFired(w *session.Watch) bool {
	synctest.Wait()
	select {
	case <-w.Fired():
		return true
	default:
		return false
	}
}

func watchNode(t testing.TB, z *session.Session, path string) *session.Watch {
	t.Helper()
	_, _, w, err := epoch(t, z).WatchExists(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func watchChildren(t testing.TB, z *session.Session, path string) *session.Watch {
	t.Helper()
	_, _, w, err := epoch(t, z).WatchChildren(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func noWatches(t testing.TB, s *zktest.Server) {
	t.Helper()
	synctest.Wait()
	if w := s.Watches(); len(w) != 0 {
		t.Errorf("the server still holds %d watches: %v", len(w), w[:min(len(w), 5)])
	}
}

// Each kind of watch fires at its events and reports them correctly.
func TestWatchFires(t *testing.T) {
	set := func(t *testing.T, z *session.Session) {
		if _, err := z.Set(t.Context(), "/n", nil, session.AnyVersion); err != nil {
			t.Error(err)
		}
	}
	remove := func(t *testing.T, z *session.Session) {
		if err := z.Delete(t.Context(), "/n", session.AnyVersion); err != nil {
			t.Error(err)
		}
	}
	tests := []struct {
		name          string
		exists        bool
		watch         func(testing.TB, *session.Session, string) *session.Watch
		act           func(*testing.T, *session.Session)
		fires, delete bool
	}{
		{"node created", false, watchNode, func(t *testing.T, z *session.Session) { testkit.Create(t, z, "/n", "") }, true, false},
		{"node set", true, watchNode, set, true, false},
		{"node deleted", true, watchNode, remove, true, true},
		{"child of node created", true, watchNode, func(t *testing.T, z *session.Session) { testkit.Create(t, z, "/n/c", "") }, false, false},
		{"child created", true, watchChildren, func(t *testing.T, z *session.Session) { testkit.Create(t, z, "/n/c", "") }, true, false},
		{"parent set", true, watchChildren, set, false, false},
		{"parent deleted", true, watchChildren, remove, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t)
				z, other := open(t, s), open(t, s)
				if tt.exists {
					testkit.Create(t, z, "/n", "")
				}
				w := tt.watch(t, z, "/n")
				if hasFired(w) {
					t.Fatal("fired before anything happened")
				}
				tt.act(t, other)
				if got := hasFired(w); got != tt.fires {
					t.Fatalf("fired: %v", got)
				}
				if tt.fires && (w.Deleted() != tt.delete || !w.SameConnection()) {
					t.Errorf("deleted %v, unbroken %v", w.Deleted(), w.SameConnection())
				}
				w.Close()
				w.Close()
				noWatches(t, s)
			})
		})
	}
}

// All Watches of the same node share one watch on the server, until the last of them is
// closed.
func TestWatchIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		var all []*session.Watch
		for range 10 {
			all = append(all, watchNode(t, z, "/n"))
		}
		for i, w := range all {
			if n := len(s.Watches()); n != 1 {
				t.Errorf("%d watches for %d", n, len(all)-i)
			}
			w.Close()
			synctest.Wait()
		}
		noWatches(t, s)

		one, two := watchNode(t, z, "/n"), watchNode(t, z, "/n")
		one.Close()
		testkit.Create(t, z, "/n", "")
		if hasFired(one) || !hasFired(two) {
			t.Error("the closed watch fired, or the open one did not")
		}
	})
}

func TestWatchNodesInOneFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		testkit.Create(t, z, "/a", "1")
		testkit.Create(t, z, "/c", "3")
		nodes, err := epoch(t, z).WatchNodes(t.Context(), "/a", "/b", "/c")
		if err != nil || string(nodes[0].Data) != "1" || string(nodes[2].Data) != "3" {
			t.Fatalf("%v, %v", nodes, err)
		}
		testkit.WantError(t, nodes[1].Err, session.ErrNoNode)
		if nodes[1].Watch != nil {
			t.Error("a node that does not exist is watched")
		}
		if len(s.Watches()) != 2 {
			t.Errorf("watches: %v", s.Watches())
		}
		nodes[0].Watch.Close()
		nodes[2].Watch.Close()
		noWatches(t, s)
	})
}

// A watch whose call was canceled is removed, too, at whatever moment.
func TestCanceledWatchesLeaveNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		e := epoch(t, z)
		var wg sync.WaitGroup
		for i := range 1000 {
			ctx, cancel := context.WithCancel(t.Context())
			wg.Go(func() {
				if _, _, w, err := e.WatchExists(ctx, fmt.Sprintf("/n%d", i%100)); err == nil {
					w.Close()
				}
			})
			if i%3 == 0 {
				cancel()
			}
			wg.Go(cancel)
		}
		wg.Wait()
		noWatches(t, s)
	})
}

// Watches survive a lost connection: they are set again on the next one, and those whose
// nodes have changed in between fire.
func TestWatchesSurviveReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z, other := open(t, s), open(t, s)
		for _, path := range []string{"/data", "/gone", "/parent", "/quiet"} {
			testkit.Create(t, z, path, "")
		}
		id := z.Status().ID
		missed := []*session.Watch{
			watchNode(t, z, "/data"), watchNode(t, z, "/gone"), watchNode(t, z, "/new"),
			watchChildren(t, z, "/parent"), watchChildren(t, z, "/gone"),
		}
		quiet := []*session.Watch{watchNode(t, z, "/quiet"), watchChildren(t, z, "/quiet"), watchNode(t, z, "/none")}

		broken := epoch(t, z).Suspended()
		heal := s.Partition(id)
		if _, err := other.Txn(t.Context(), session.OpSet("/data", nil, -1), session.OpDelete("/gone", -1),
			session.OpCreate("/new", nil), session.OpCreate("/parent/child", nil)); err != nil {
			t.Fatal(err)
		}
		heal()
		<-broken
		await(t, timeout, "connected again", func() bool { return z.Status().State == session.Connected })
		for i, w := range missed {
			if !hasFired(w) {
				t.Errorf("watch %d did not fire for a change that it missed", i)
			} else if w.SameConnection() {
				t.Errorf("watch %d reports the same connection", i)
			}
		}
		if missed[0].Deleted() || !missed[1].Deleted() || missed[2].Deleted() || missed[3].Deleted() || !missed[4].Deleted() {
			t.Error("deletions are reported wrongly")
		}
		for i, w := range quiet {
			if hasFired(w) {
				t.Errorf("quiet watch %d fired", i)
			}
		}
		if len(s.Watches()) != len(quiet) {
			t.Errorf("watches: %v", s.Watches())
		}
		testkit.Create(t, z, "/none", "")
		testkit.Create(t, z, "/quiet/child", "")
		if !hasFired(quiet[1]) || !hasFired(quiet[2]) {
			t.Error("watches that were set again do not fire")
		}
		quiet[0].Close()
		noWatches(t, s)
	})
}

// More watches than fit into one request are set again in several.
func TestManyWatchesAreSetAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		e := epoch(t, z)
		long := strings.Repeat("x", 1000)
		paths := make([]string, 500)
		for i := range paths {
			paths[i] = fmt.Sprintf("/%s-%d", long, i)
		}
		var watches []*session.Watch
		for _, p := range paths {
			_, _, w, err := e.WatchExists(t.Context(), p)
			if err != nil {
				t.Fatal(err)
			}
			watches = append(watches, w)
		}
		s.ResetRequests()
		cutAll(t, s)
		await(t, timeout, "watching again", func() bool { return len(s.Watches()) == len(paths) })
		if n := count(s, "setWatches"); n < 4 || n > 12 {
			t.Errorf("%d requests", n)
		}
		for _, w := range watches {
			w.Close()
		}
		noWatches(t, s)
	})
}

// A watch that is closed while the session reconnects leaves nothing on the server, whether
// it has been set again or not.
func TestWatchClosedDuringReconnect(t *testing.T) {
	for _, op := range []string{"connect", "auth", "setWatches"} {
		t.Run(op, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t)
				z := open(t, s, session.WithAuth("digest", []byte("user:password")))
				w := watchNode(t, z, "/n")
				closed := make(chan struct{})
				var once sync.Once
				remove := s.Fault(func(r zktest.Request) zktest.Fault {
					if r.Op == op {
						once.Do(func() {
							w.Close()
							close(closed)
						})
					}
					return zktest.Pass
				})
				cutAll(t, s)
				<-closed
				remove()
				await(t, timeout, "connected again", func() bool { return z.Status().State == session.Connected })
				noWatches(t, s)
			})
		})
	}
}

// A watch that is closed while its reply is in flight is removed from the server, and one
// that has been set again in the meantime stays.
func TestWatchClosedDuringItsAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		e := epoch(t, z)
		for range 200 {
			ctx, cancel := context.WithCancel(t.Context())
			var stays *session.Watch
			var wg sync.WaitGroup
			wg.Go(func() {
				if _, _, w, err := e.WatchExists(ctx, "/n"); err == nil {
					w.Close()
				}
			})
			wg.Go(cancel)
			wg.Go(func() { _, _, stays, _ = e.WatchExists(t.Context(), "/n") })
			wg.Wait()
			synctest.Wait()
			if n := len(s.Watches()); n != 1 {
				t.Fatalf("%d watches", n)
			}
			stays.Close()
		}
		noWatches(t, s)
	})
}

// The end of the epoch does not fire watches, and removes them from the server.
func TestWatchEndsWithEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		e := epoch(t, z)
		w := watchNode(t, z, "/n")
		s.Expire(e.ID())
		testkit.AwaitDone(t, e.Context())
		if hasFired(w) {
			t.Error("fired")
		}
		_, _, _, err := e.WatchExists(t.Context(), "/n")
		testkit.WantError(t, err, session.ErrExpired)
		noWatches(t, s)
		w.Close()
	})
}

// WatchNode leaves no watch on a node that does not exist, and does not remove a watch of
// WatchExists on the same node.
func TestWatchNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		e := epoch(t, z)
		if _, w, err := e.WatchNode(t.Context(), "/n"); !errors.Is(err, session.ErrNoNode) || w != nil {
			t.Errorf("watch of no node: %v, %v", w, err)
		}
		noWatches(t, s)
		_, _, waiting, err := e.WatchExists(t.Context(), "/n")
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := e.WatchNode(t.Context(), "/n"); !errors.Is(err, session.ErrNoNode) {
			t.Errorf("watch of no node: %v", err)
		}
		testkit.Create(t, z, "/n", "")
		if !hasFired(waiting) {
			t.Error("the other watch was removed")
		}
		st, w, err := e.WatchNode(t.Context(), "/n")
		if err != nil || st.Czxid == 0 {
			t.Fatalf("watch of a node: %+v, %v", st, err)
		}
		if err := z.Delete(t.Context(), "/n", session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		if !hasFired(w) || !w.Deleted() {
			t.Error("the watch did not fire at the deletion")
		}
		noWatches(t, s)
	})
}
