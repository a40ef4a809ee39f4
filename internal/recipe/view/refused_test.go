package view_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/view"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Curator's fault 3.25: reads that are always refused are repeated without limit. The
// view retries them at a bounded rate, and follows other nodes in the meantime.
func TestRefusalIsAskedForAtABoundedRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, other := srv.Session(t), srv.Session(t)
		secret := session.ACLs(session.ACL{Perms: session.PermAll &^ session.PermRead, Scheme: "world", ID: "anyone"})
		testkit.Create(t, s, "/d/a", "0", session.Parents())
		testkit.Create(t, s, "/d/secret", "", secret)
		v := open(t, s, "/d", view.Options{Depth: view.Unlimited})
		time.Sleep(time.Minute)
		srv.ResetRequests()
		time.Sleep(time.Hour + 5*time.Second) // not at the moment of a request
		if n := requests(srv, s); n == 0 || n > 3*3600/15 {
			t.Errorf("%d requests in an hour", n)
		}
		testkit.Set(t, other, "/d/a", "1")
		start := time.Now()
		shows(t, v, " a=1 secret=!")
		if d := time.Since(start); d != 0 {
			t.Errorf("another node's change was seen after %v", d)
		}
		if _, err := other.SetACL(t.Context(), "/d/secret", session.OpenACL(), -1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(16 * time.Second)
		if got := text(v.Snapshot()); got != " a=1 secret=" || v.Err() != nil {
			t.Errorf("after it was allowed: %q, %v", got, v.Err())
		}
	})
}

// If the root may not be read any more, the view keeps its last data, reports the error,
// and recovers.
func TestRootRefusedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, other := srv.Session(t), srv.Session(t)
		testkit.Create(t, s, "/d/a", "0", session.Parents())
		v := open(t, s, "/d", view.Options{Depth: 1})
		if _, err := other.SetACL(t.Context(), "/d", []session.ACL{{Perms: session.PermAll &^ session.PermRead, Scheme: "world", ID: "anyone"}}, -1); err != nil {
			t.Fatal(err)
		}
		testkit.Create(t, other, "/d/b", "1")
		for range 2 {
			srv.Expire(s.Status().ID)
			time.Sleep(time.Minute)
			if err := v.Err(); !errors.Is(err, session.ErrNoAuth) || text(v.Snapshot()) != " a=0" {
				t.Errorf("it shows %q, %v", text(v.Snapshot()), err)
			}
		}
		testkit.Set(t, other, "/d/a", "2") // may be read
		shows(t, v, " a=2")
		if _, err := other.SetACL(t.Context(), "/d", session.OpenACL(), -1); err != nil {
			t.Fatal(err)
		}
		shows(t, v, " a=2 b=1")
		if v.Err() != nil {
			t.Errorf("Err is %v", v.Err())
		}
	})
}

// The same holds for nodes below the root, their data and their children.
func TestRefusedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, other := srv.Session(t), srv.Session(t)
		testkit.Create(t, s, "/d/sub", "1", session.Parents())
		testkit.Create(t, s, "/d/sub/x", "0")
		v := open(t, s, "/d", view.Options{Depth: view.Unlimited})
		blind := []session.ACL{{Perms: session.PermAll &^ session.PermRead, Scheme: "world", ID: "anyone"}}
		if _, err := other.SetACL(t.Context(), "/d/sub", blind, -1); err != nil {
			t.Fatal(err)
		}
		testkit.Set(t, other, "/d/sub", "2")
		for range 2 {
			srv.Expire(s.Status().ID)
			time.Sleep(time.Minute)
			if err := v.Err(); !errors.Is(err, session.ErrNoAuth) || text(v.Snapshot()) != " sub=1! sub/x=0" {
				t.Errorf("it shows %q, %v", text(v.Snapshot()), err)
			}
		}
		testkit.Delete(t, other, "/d/sub/x")
		shows(t, v, " sub=1!")
		if _, err := other.SetACL(t.Context(), "/d/sub", session.OpenACL(), -1); err != nil {
			t.Fatal(err)
		}
		testkit.Create(t, other, "/d/sub/x", "3")
		shows(t, v, " sub=2 sub/x=3")
		if v.Err() != nil {
			t.Errorf("Err is %v", v.Err())
		}
	})
}
