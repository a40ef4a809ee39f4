package view_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/view"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file need faults or virtual time, so they use the in-process
// server.

// requests counts the requests of one session, without pings and proofs.
func requests(srv *zktest.Server, s *session.Session) (n int) {
	for _, r := range srv.Requests() {
		if r.Session == s.Status().ID && strings.HasPrefix(r.Op, "get") || r.Op == "exists" {
			n++
		}
	}
	return n
}

// After a reconnect in the same session, only nodes that a server reports as changed are
// read, including those that changed while the session was cut off.
func TestReconnectInTheSameSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, other := srv.Session(t), srv.Session(t)
		for i := range 50 {
			testkit.Create(t, s, fmt.Sprintf("/d/%02d", i), "", session.Parents())
		}
		v := open(t, s, "/d", view.Options{Depth: 1})
		was := v.Snapshot()
		cut := func(meanwhile func()) {
			time.Sleep(time.Second)
			srv.ResetRequests()
			id := s.Status().ID
			heal := srv.Partition(id)
			meanwhile()
			time.Sleep(time.Second)
			heal()
			time.Sleep(5 * time.Second)
			if s.Status().ID != id || v.Err() != nil {
				t.Fatalf("the session is %+v, and Err is %v", s.Status(), v.Err())
			}
		}
		cut(func() {})
		if n := requests(srv, s); n != 0 || v.Snapshot() != was {
			t.Errorf("%d requests for nothing", n)
		}
		cut(func() {
			testkit.Set(t, other, "/d/07", "7")
			testkit.Create(t, other, "/d/50", "new")
			testkit.Delete(t, other, "/d/00")
		})
		if n := requests(srv, s); n != 3 { // a list, a set one and a new one; there is no request for the deleted node
			t.Errorf("%d requests for three changes: %v", n, srv.Requests())
		}
		if added, removed, changed := diff(v.Snapshot(), was); len(added) != 1 || len(removed) != 1 || len(changed) != 1 {
			t.Errorf("the difference is %v, %v, %v", added, removed, changed)
		}
	})
}

// In a new ZooKeeper session everything is read again. Readers are notified only of
// changes.
func TestNewSession(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, other := srv.Session(t), srv.Session(t)
		testkit.Create(t, s, "/d/a", "1", session.Parents())
		testkit.Create(t, s, "/d/b", "2")
		v := open(t, s, "/d", view.Options{Depth: 1})
		was, changed := v.Snapshot(), v.Changed()
		srv.Expire(s.Status().ID)
		time.Sleep(5 * time.Second)
		if s.Status().Epoch != 2 || v.Err() != nil {
			t.Fatalf("the session is %+v, and Err is %v", s.Status(), v.Err())
		}
		select {
		case <-changed:
			t.Error("it tells of a change where there is none")
		default:
		}
		if v.Snapshot() != was {
			t.Error("the snapshot has been replaced")
		}
		testkit.Set(t, other, "/d/a", "3")
		shows(t, v, " a=3 b=2")

		heal := srv.Partition(s.Status().ID)
		if _, err := other.Txn(t.Context(), session.OpDelete("/d/b", -1), session.OpSet("/d/a", []byte("4"), -1), session.OpCreate("/d/c", []byte("5"))); err != nil {
			t.Fatal(err)
		}
		healAll := srv.PartitionAll()
		time.Sleep(time.Minute)
		if s.Status().State == session.Connected || !errors.Is(v.Err(), session.ErrStale) {
			t.Errorf("cut off, and Err is %v", v.Err())
		}
		if got := text(v.Snapshot()); got != " a=3 b=2" {
			t.Errorf("cut off, it shows %q", got)
		}
		heal()
		healAll()
		shows(t, v, " a=4 c=5")
		if v.Err() != nil {
			t.Errorf("back again, and Err is %v", v.Err())
		}
		v.Close()
		synctest.Wait()
		if w := srv.Watches(); len(w) != 0 {
			t.Errorf("watches left: %v", w)
		}
	})
}

// Err is not nil from the start of a new ZooKeeper session until everything is read.
func TestErrWhileReadingAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		testkit.Create(t, s, "/n", "1")
		v := open(t, s, "/n", view.Options{})
		defer srv.Inject(zktest.Rule{Op: "getData", Path: "/n", Fault: zktest.Hang})()
		srv.Expire(s.Status().ID)
		for s.Status().Epoch != 2 || s.Status().State != session.Connected {
			<-s.Changed()
		}
		synctest.Wait()
		var oe *session.OpError
		if err := v.Err(); !errors.Is(err, session.ErrStale) || !errors.As(err, &oe) || oe.Path != "/n" {
			t.Errorf("Err is %v", err)
		}
		v.Close() // while it reads
	})
}

func TestOpenWithoutServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		srv.Stop()
		time.Sleep(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		start := time.Now()
		_, err := view.Open(ctx, s, "/n", view.Options{})
		if d := time.Since(start); d != 500*time.Millisecond {
			t.Errorf("Open took %v", d)
		}
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, session.ErrStale) {
			t.Errorf("Open: %v", err)
		}
	})
}

// Curator's fault 3.23: after the server removes a watched container, the watcher does
// not work any more.
func TestContainerReaped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithContainerCheck(time.Second))
		s, other := srv.Session(t), srv.Session(t)
		testkit.Create(t, s, "/top", "")
		v := open(t, s, "/top/c", view.Options{Depth: 1})
		tree := open(t, s, "/top", view.Options{Depth: view.Unlimited})
		for i := range 3 {
			data := fmt.Sprint(i)
			testkit.Create(t, other, "/top/c/m", data, session.Parents())
			shows(t, v, " m="+data)
			shows(t, tree, " c= c/m="+data)
			testkit.Delete(t, other, "/top/c/m")
			shows(t, v, "-")
			shows(t, tree, "")
			time.Sleep(10 * time.Second)
			if strings.Contains(srv.Tree(), "/top/c ") {
				t.Error("the view has created the node again")
			}
		}
	})
}

// Changes at any moment while the view reads are not missed.
func TestChangeBetweenReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, other := srv.Session(t), srv.Session(t)
		testkit.Create(t, s, "/d/a/x", "0", session.Parents())
		var n atomic.Int32
		defer srv.Fault(func(r zktest.Request) zktest.Fault {
			if r.Session != s.Status().ID {
				return zktest.Pass
			}
			if i := n.Add(1); i < 20 {
				go func() { // served immediately after this request
					other.Set(context.Background(), "/d/a/x", fmt.Append(nil, i), session.AnyVersion)
					other.Create(context.Background(), fmt.Sprintf("/d/a/%02d", i), nil)
				}()
			}
			return zktest.Pass
		})()
		v := open(t, s, "/d", view.Options{Depth: view.Unlimited})
		for n.Load() < 20 {
			time.Sleep(10 * time.Second)
			testkit.Set(t, other, "/d/a", "")
		}
		time.Sleep(10 * time.Second)
		if got, want := stamped(v.Snapshot()), fresh(t, other, "/d"); got != want {
			t.Errorf("it shows\n%s, not\n%s", got, want)
		}
	})
}

// After Refresh, a node that was created and deleted unseen makes a new snapshot.
func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, other := srv.Session(t), srv.Session(t)
		v := open(t, s, "/n", view.Options{})
		was := v.Snapshot()
		heal := srv.Partition(s.Status().ID)
		testkit.Create(t, other, "/n", "1")
		testkit.Delete(t, other, "/n")
		heal()
		time.Sleep(10 * time.Second)
		if v.Snapshot() != was {
			t.Error("it is not cut off while the node is there")
		}
		changed := v.Changed()
		v.Refresh()
		v.Refresh()
		<-changed
		if v.Snapshot() == was || text(v.Snapshot()) != "-" {
			t.Errorf("it shows %q", text(v.Snapshot()))
		}
		testkit.Create(t, other, "/n", "2")
		two := shows(t, v, "2")
		v.Refresh()
		time.Sleep(10 * time.Second)
		if v.Snapshot() != two {
			t.Error("it shows what has not changed as changed")
		}
		v.Close()
		v.Refresh()
		synctest.Wait()
		if w := srv.Watches(); len(w) != 0 {
			t.Errorf("watches left: %v", w)
		}
	})
}
