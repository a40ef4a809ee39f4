package session_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func watchSince(t testing.TB, z *session.Session, path string, since session.Zxid) *session.Watch {
	t.Helper()
	w, err := epoch(t, z).WatchChildrenSince(t.Context(), path, since)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func pzxid(t testing.TB, z *session.Session, path string) session.Zxid {
	t.Helper()
	st, _, err := z.Exists(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Pzxid
}

// WatchChildrenSince fires immediately if a child has changed since, and otherwise at the
// next change, on every kind of server.
func TestWatchChildrenSince(t *testing.T) {
	z := zktest.Open(t).Session(t)
	testkit.Create(t, z, "/n", "")
	testkit.Create(t, z, "/n/a", "")
	before := pzxid(t, z, "/n")
	w := watchSince(t, z, "/n", before)
	select {
	case <-w.Fired():
		t.Error("it has fired, and nothing has happened")
	default:
	}
	if _, err := z.Set(t.Context(), "/n/a", []byte("x"), session.AnyVersion); err != nil { // is nothing of /n
		t.Fatal(err)
	}
	select {
	case <-w.Fired():
		t.Error("it has fired for a change of a child's data")
	default:
	}
	testkit.Create(t, z, "/n/b", "")
	<-w.Fired()
	if w.Deleted() {
		t.Error("/n is reported as deleted")
	}
	<-watchSince(t, z, "/n", before).Fired() // since b has come
	w = watchSince(t, z, "/n", pzxid(t, z, "/n"))
	if err := z.Delete(t.Context(), "/n/a", session.AnyVersion); err != nil {
		t.Fatal(err)
	}
	<-w.Fired()
	w = watchSince(t, z, "/n/b", pzxid(t, z, "/n/b"))
	if err := z.Delete(t.Context(), "/n/b", session.AnyVersion); err != nil {
		t.Fatal(err)
	}
	<-w.Fired()
	if !w.Deleted() {
		t.Error("/n/b is not reported as deleted")
	}
	w = watchSince(t, z, "/n/b", 1<<62)
	<-w.Fired()
	if !w.Deleted() {
		t.Error("/n/b, which does not exist, is not reported as deleted")
	}
	if _, err := epoch(t, z).WatchChildrenSince(t.Context(), "n", 0); !errors.Is(err, session.ErrInvalid) {
		t.Errorf("of a bad path: %v", err)
	}
}

// The watch survives lost connections and leaves nothing on the server.
func TestWatchChildrenSinceOverReconnects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z, other := open(t, s), open(t, s)
		testkit.Create(t, z, "/n", "")
		w := watchSince(t, z, "/n", pzxid(t, z, "/n"))
		listed := watchChildren(t, z, "/n") // another watch of the same thing
		s.Stop()
		synctest.Wait() // every watch has fired
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		if err := z.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		if hasFired(w) {
			t.Error("it has fired for a reconnect")
		}
		testkit.Create(t, other, "/n/a", "")
		if !hasFired(w) || !hasFired(listed) {
			t.Error("it has not fired")
		}
		w = watchSince(t, z, "/n", pzxid(t, z, "/n"))
		w.Close()
		noWatches(t, s)
		if w = watchSince(t, z, "/n", 0); !hasFired(w) {
			t.Error("it has not fired at once")
		}
		noWatches(t, s)
	})
}

// Whatever happens to the request, the watch is set or the call fails.
func TestWatchChildrenSinceFaults(t *testing.T) {
	for _, fault := range []zktest.Fault{zktest.Refuse, zktest.DropReply, zktest.Cut} {
		synctest.Test(t, func(t *testing.T) {
			s := serve(t)
			z, other := open(t, s), open(t, s)
			testkit.Create(t, z, "/n", "")
			since := pzxid(t, z, "/n")
			remove := s.Inject(zktest.Rule{Op: "setWatches", Session: z.Status().ID, Nth: 1, Fault: fault})
			w := watchSince(t, z, "/n", since)
			remove()
			testkit.Create(t, other, "/n/a", "")
			if err := z.Sync(t.Context(), "/"); err != nil { // over the next connection, if this one is being cut
				t.Fatal(err)
			}
			if !hasFired(w) {
				t.Errorf("fault %v: it has not fired", fault)
			}
			e := epoch(t, z)
			s.Stop()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := e.WatchChildrenSince(ctx, "/n", 0)
			testkit.WantError(t, err, context.DeadlineExceeded)
			if err := s.Restart(); err != nil {
				t.Fatal(err)
			}
			if err := z.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			noWatches(t, s)
		})
	}
}
