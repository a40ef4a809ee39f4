package presence_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/presence"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file need faults or virtual time, so they use the in-process
// server.

// delayed delays a create.
var delayed = zktest.Rule{Op: "create2", Path: path, Delay: 20 * time.Millisecond}

// sent lists the requests of the session with this id, without pings and proofs.
func sent(srv *zktest.Server, id int64) []string {
	var ops []string
	for _, r := range srv.Requests() {
		if r.Session == id && r.Op != "connect" && !(r.Op == "multi" && r.Path == "/") {
			ops = append(ops, r.Op)
		}
	}
	srv.ResetRequests()
	return ops
}

// The requests of each call, counted at the server.
func TestRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		withdraw(t, announce(t, s, presence.Node{Path: "/app/other"})) // creates the parent
		srv.ResetRequests()
		ops := func(want string) {
			t.Helper()
			synctest.Wait()
			if got := strings.Join(sent(srv, s.Status().ID), " "); got != want {
				t.Errorf("sent %s, not %s", got, want)
			}
		}
		p := announce(t, s, presence.Node{})
		ops("create2 exists")
		update(t, p, "x")
		ops("setData exists")
		srv.Stop()
		time.Sleep(time.Second)
		if err := srv.Restart(); err != nil {
			t.Fatal(err)
		}
		if err := s.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		ops("setWatches") // no other request after a reconnect
		update(t, p, "y")
		ops("removeWatches exists setData exists") // the node may have been deleted unnoticed
		withdraw(t, p)
		ops("delete")
	})
}

// The node is created again immediately after its session has expired.
func TestAnnouncedAgainAfterExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, o := srv.Session(t), srv.Session(t)
		p := announce(t, s, presence.Node{Data: []byte("one")})
		for n := range 3 {
			update(t, p, strings.Repeat("x", n))
			token, owner := p.Token()
			srv.Expire(owner)
			testkit.AwaitErr(t, p, func(err error) bool { next, _ := p.Token(); return err == nil && next > token })
			wants(t, o, s, strings.Repeat("x", n))
		}
		withdraw(t, p)
	})
}

// A client that keeps deleting the node, for example another process of the same
// name, does not cause retries without pause.
func TestDeletedAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, o := srv.Session(t), srv.Session(t)
		p := announce(t, s, presence.Node{Data: []byte("one")})
		time.Sleep(time.Hour)
		srv.ResetRequests()
		e, err := o.Epoch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		deleting, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		for deleting.Err() == nil {
			_, exists, w, err := e.WatchExists(deleting, path)
			if err != nil {
				break
			}
			if exists {
				e.DeleteEventually(path, 0, nil)
			}
			select {
			case <-w.Fired():
			case <-deleting.Done():
				w.Close()
			}
		}
		creates := strings.Count(strings.Join(sent(srv, s.Status().ID), " "), "create2")
		if creates < 3 || creates > 20 {
			t.Errorf("%d creates in a minute", creates)
		}
		testkit.AwaitErr(t, p, testkit.IsNil)
		wants(t, o, s, "one")

		time.Sleep(time.Hour) // after an hour without deletions it is created again immediately
		if err := o.Delete(t.Context(), path, session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wants(t, o, s, "one")
		withdraw(t, p)
	})
}

// A client that keeps writing to the node does not cause them either.
func TestWrittenToAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b, o := srv.Session(t), srv.Session(t), srv.Session(t)
		p := announce(t, a, presence.Node{Data: []byte("one")})
		waiting := make(chan *presence.Announcement)
		go func() { waiting <- announce(t, b, presence.Node{Data: []byte("two")}) }()
		synctest.Wait()
		srv.ResetRequests()
		for range 1000 {
			if _, err := o.Set(t.Context(), path, []byte("x"), session.AnyVersion); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond)
		}
		for _, s := range []*session.Session{a, b} {
			n := 0
			for _, r := range srv.Requests() {
				if r.Session == s.Status().ID {
					n++
				}
			}
			if n > 25 {
				t.Errorf("%d requests in a second", n)
			}
		}
		withdraw(t, p)
		withdraw(t, <-waiting)
	})
}

// Another client creates the node whenever the announcement is about to create it, and
// deletes it whenever the announcement reads it. The announcement continues to retry,
// at a bounded rate.
func TestNodeFlickers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		o := srv.Session(t)
		var flicker atomic.Int32
		flicker.Store(30)
		s := srv.Session(t, session.WithHooks(session.Hooks{Request: func(r session.RequestInfo) {
			if flicker.Load() == 0 || r.Path != path {
				return
			}
			var err error
			switch r.Op {
			case "create2":
				err = o.Delete(t.Context(), path, session.AnyVersion)
			case "exists":
				flicker.Add(-1)
				_, _, err = o.Create(t.Context(), path, nil, session.Ephemeral())
			}
			if err != nil {
				t.Error(err)
			}
		}}))
		if _, _, err := o.Create(t.Context(), path, nil, session.Ephemeral(), session.Parents()); err != nil {
			t.Fatal(err)
		}
		ended := make(chan *presence.Announcement)
		began := time.Now()
		go func() { ended <- announce(t, s, presence.Node{}) }()
		for flicker.Load() > 0 {
			time.Sleep(time.Millisecond)
		}
		if d := time.Since(began); d < time.Second {
			t.Errorf("it was read thirty times in %v", d)
		}
		if err := o.Delete(t.Context(), path, session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		p := <-ended
		wants(t, o, s, "")
		withdraw(t, p)
	})
}

// Curator's fault 3.25: a node with an ACL that is refused is retried two thousand
// times in a second.
func TestPermanentErrorDoesNotSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		srv.ResetRequests()
		if _, err := presence.Announce(context.Background(), s, presence.Node{Path: path, ACL: []session.ACL{}}); !errors.Is(err, session.ErrInvalidACL) {
			t.Errorf("Announce: %v", err)
		}
		time.Sleep(time.Minute)
		if got := sent(srv, s.Status().ID); len(got) > 4 { // the create, its two ancestors' and the create again
			t.Errorf("sent %v", got)
		}
	})
}

// If a later announcement is refused, Err returns the refusal. The announcement is
// retried at a bounded rate, and succeeds when it is allowed again.
func TestRefusedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, o := srv.Session(t), srv.Session(t)
		if _, _, err := s.Create(t.Context(), "/app", nil); err != nil { // not a container, which the server would remove when it is empty
			t.Fatal(err)
		}
		p := announce(t, s, presence.Node{Data: []byte("one")})
		if _, err := o.SetACL(t.Context(), "/app", []session.ACL{{Perms: session.PermRead | session.PermAdmin, Scheme: "world", ID: "anyone"}}, session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		srv.Expire(s.Status().ID)
		testkit.AwaitErr(t, p, func(err error) bool { return errors.Is(err, session.ErrNoAuth) })
		srv.ResetRequests()
		time.Sleep(10 * time.Minute)
		if got := sent(srv, s.Status().ID); len(got) < 30 || len(got) > 200 {
			t.Errorf("sent %d requests in ten minutes", len(got))
		}
		if err := p.Update(context.Background(), []byte("two")); !errors.Is(err, session.ErrNoAuth) {
			t.Errorf("Update: %v", err)
		}
		if _, err := o.SetACL(t.Context(), "/app", session.OpenACL(), session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		testkit.AwaitErr(t, p, testkit.IsNil)
		if d := time.Since(began); d > 20*time.Second {
			t.Errorf("it took %v to be announced again", d)
		}
		wants(t, o, s, "two")
		withdraw(t, p)
	})
}

// If a node may not be read, the outcome of a create is not found from its data or
// owner, but from its existence.
func TestReplyToUnreadableNodeIsLost(t *testing.T) {
	for _, fault := range []zktest.Fault{zktest.DropReply, zktest.Refuse} {
		synctest.Test(t, func(t *testing.T) {
			srv := zktest.New(t, zktest.WithVersion("3.8")) // later versions do not even show whether it exists
			s := srv.Session(t)
			withdraw(t, announce(t, s, presence.Node{Path: "/app/other"})) // creates the parent
			defer srv.Inject(zktest.Rule{Op: "create2", Nth: 1, Fault: fault})()
			p := announce(t, s, presence.Node{Data: []byte("one"), ACL: []session.ACL{{Perms: session.PermWrite, Scheme: "world", ID: "anyone"}}})
			st, exists, err := s.Exists(t.Context(), path)
			if token, _ := p.Token(); err != nil || !exists || st.Czxid != token {
				t.Errorf("announced by %v, and there is %+v (%v)", token, st, err)
			}
			if tree := srv.Tree(); !strings.Contains(tree, `"one"`) {
				t.Errorf("the tree is\n%s", tree)
			}
			withdraw(t, p)
			if tree := srv.Tree(); strings.Contains(tree, "ephemeral") {
				t.Errorf("left:\n%s", tree)
			}
		})
	}
}

// Of updates that arrive faster than the server answers, not all are sent.
func TestUpdatesAreCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, o := srv.Session(t), srv.Session(t)
		p := announce(t, s, presence.Node{})
		synctest.Wait()
		srv.ResetRequests()
		defer srv.Inject(zktest.Rule{Op: "setData", Delay: time.Second})()
		const n = 100
		ended := make(chan error)
		for range n {
			go func() { ended <- p.Update(t.Context(), []byte("x")) }()
		}
		synctest.Wait()
		go func() { ended <- p.Update(t.Context(), []byte("last")) }()
		for range n + 1 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		wants(t, o, s, "last")
		if sets := strings.Count(strings.Join(sent(srv, s.Status().ID), " "), "setData"); sets > 3 {
			t.Errorf("%d sets", sets)
		}
		withdraw(t, p)
	})
}
