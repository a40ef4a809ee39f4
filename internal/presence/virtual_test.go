package presence_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/presence"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file need faults or virtual time, and so the embedded
// server.

// delayed makes a create take a while.
var delayed = zktest.Rule{Op: "create2", Path: path, Delay: 20 * time.Millisecond}

// sent lists what the session of id has sent that is not a proof of life.
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

// What the package says that its calls cost, counted at the server.
func TestRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		withdraw(t, announce(t, s, presence.Node{Path: "/app/other"})) // makes the parent
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
		time.Sleep(time.Second)
		ops("setWatches") // and nothing else at a reconnect
		update(t, p, "y")
		ops("removeWatches exists setData exists") // the node may have gone unnoticed
		withdraw(t, p)
		ops("delete")
	})
}

// The node is there again right after its session has expired.
func TestAnnouncedAgainAfterExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, o := srv.Session(t), srv.Session(t)
		p := announce(t, s, presence.Node{Data: []byte("one")})
		for n := range 3 {
			update(t, p, strings.Repeat("x", n))
			token, owner := p.Token()
			srv.Expire(owner)
			until(t, p, func(err error) bool { next, _ := p.Token(); return err == nil && next > token })
			wants(t, o, s, strings.Repeat("x", n))
		}
		withdraw(t, p)
	})
}

// A node of the session before is replaced at once and without a gap, although
// the server goes on holding that session.
func TestFormerNodeIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A server that rounds up to half a minute is late to expire anything.
		srv := zktest.New(t, zktest.WithTick(30*time.Second), zktest.WithTimeouts(time.Second, time.Hour))
		s, o := srv.Session(t), srv.Session(t)
		p := announce(t, s, presence.Node{Data: []byte("one")})
		before := wants(t, o, s, "one")
		e, err := o.Epoch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// The goodbye of the session that was given up is held back.
		defer srv.Inject(zktest.Rule{Op: "closeSession", Session: s.Status().ID, Fault: zktest.Refuse})()
		gaps := 0
		watching, stop := context.WithCancel(t.Context())
		seen := make(chan struct{})
		go func() {
			defer close(seen)
			for {
				names, _, w, err := e.WatchChildren(watching, "/app")
				if err != nil {
					return
				}
				if len(names) != 1 {
					gaps++
				}
				select {
				case <-w.Fired():
				case <-watching.Done():
					w.Close()
					return
				}
			}
		}()
		synctest.Wait()
		former := s.Status().ID
		heal := srv.Partition(former)
		until(t, p, func(err error) bool { return errors.Is(err, session.ErrExpired) })
		if data, st, err := o.Get(t.Context(), path); err != nil || string(data) != "one" || st.EphemeralOwner != former {
			t.Errorf("before: %q of 0x%x (%v)", data, st.EphemeralOwner, err)
		}
		until(t, p, isNil)
		if after := wants(t, o, s, "one"); after.EphemeralOwner == former || after.Czxid <= before.Czxid {
			t.Errorf("it was 0x%x's, and is 0x%x's", former, after.EphemeralOwner)
		}
		synctest.Wait()
		stop()
		<-seen
		if gaps != 0 {
			t.Errorf("it was not there, or twice, %d times", gaps)
		}
		heal()
		withdraw(t, p)
	})
}

// Whoever deletes the node all the time, another process of the same name for
// example, does not make it spin.
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
				e.Discard(path, 0, nil)
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
		until(t, p, isNil)
		wants(t, o, s, "one")

		time.Sleep(time.Hour) // and after an hour of peace it is there again at once
		if err := o.Delete(t.Context(), path, session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wants(t, o, s, "one")
		withdraw(t, p)
	})
}

// Nor does somebody who writes to it.
func TestWrittenToAllTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b, o := srv.Session(t), srv.Session(t), srv.Session(t)
		p := announce(t, a, presence.Node{Data: []byte("one")})
		waiting := make(chan *presence.Presence)
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

// Curator's fault 3.25: a node with an ACL that is refused is tried for two
// thousand times in a second.
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

// A later announcement that is refused is told by Err, is tried again at a
// bounded rate, and succeeds when it is allowed again.
func TestRefusedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, o := srv.Session(t), srv.Session(t)
		if _, _, err := s.Create(t.Context(), "/app", nil); err != nil { // which is not a container that goes when it is empty
			t.Fatal(err)
		}
		p := announce(t, s, presence.Node{Data: []byte("one")})
		if _, err := o.SetACL(t.Context(), "/app", []session.ACL{{Perms: session.PermRead | session.PermAdmin, Scheme: "world", ID: "anyone"}}, session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		srv.Expire(s.Status().ID)
		until(t, p, func(err error) bool { return errors.Is(err, session.ErrNoAuth) })
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
		until(t, p, isNil)
		if d := time.Since(began); d > 20*time.Second {
			t.Errorf("it took %v to be announced again", d)
		}
		wants(t, o, s, "two")
		withdraw(t, p)
	})
}

// Somebody has put a node in its place while the session was lost.
func TestPlaceIsTakenLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, o := srv.Session(t), srv.Session(t)
		p := announce(t, s, presence.Node{Data: []byte("one"), Others: presence.Replace})
		remove := srv.Fault(func(r zktest.Request) zktest.Fault {
			if r.Op == "connect" {
				return zktest.Refuse // it does not come back yet
			}
			return zktest.Pass
		})
		srv.Expire(s.Status().ID)
		_, taken, err := o.Create(t.Context(), path, []byte("persistent"), session.Parents())
		if err != nil {
			t.Fatal(err)
		}
		remove()
		until(t, p, func(err error) bool { return errors.Is(err, presence.ErrOccupied) })
		if _, st, err := o.Get(t.Context(), path); err != nil || st.Czxid != taken.Czxid {
			t.Errorf("it was replaced: %+v (%v)", st, err)
		}
		if _, err := presence.Announce(context.Background(), s, presence.Node{Path: path}); !errors.Is(err, presence.ErrTwice) {
			t.Errorf("a second announcement: %v", err)
		}
		if err := o.Delete(t.Context(), path, session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wants(t, o, s, "one") // at once, since the node in the way is watched
		withdraw(t, p)
	})
}

// Withdraw is bounded by its context while there is no connection, goes on in the
// background, and is waited for by the next announcement.
func TestWithdrawWhileDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, o := srv.Session(t), srv.Session(t)
		p := announce(t, s, presence.Node{Data: []byte("one")})
		heal := srv.Partition(s.Status().ID)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		err := p.Withdraw(ctx)
		if d := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || d != time.Second {
			t.Errorf("Withdraw: %v after %v", err, d)
		}
		if err := p.Update(context.Background(), nil); !errors.Is(err, presence.ErrWithdrawn) {
			t.Errorf("Update while it is being withdrawn: %v", err)
		}
		if _, err := presence.Announce(ctx, s, presence.Node{Path: path}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Announce while it is being withdrawn: %v", err)
		}
		wants(t, o, s, "one")
		again := make(chan *presence.Presence)
		go func() { again <- announce(t, s, presence.Node{Data: []byte("two")}) }()
		heal()
		next := <-again
		if s.Status().Epoch != 1 {
			t.Errorf("the session is %+v", s.Status())
		}
		wants(t, o, s, "two")
		withdraw(t, next)
	})
}

// Every call is bounded while there is no server, and says so.
func TestWithoutServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		p := announce(t, s, presence.Node{})
		srv.Stop()
		time.Sleep(time.Minute)
		for what, call := range map[string]func(context.Context) error{
			"Announce": func(ctx context.Context) error {
				_, err := presence.Announce(ctx, s, presence.Node{Path: "/app/other"})
				return err
			},
			"Update": func(ctx context.Context) error { return p.Update(ctx, []byte("two")) },
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			began := time.Now()
			err := call(ctx)
			cancel()
			var oe *session.OpError
			if d := time.Since(began); d != 500*time.Millisecond || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "not connected") || !errors.As(err, &oe) {
				t.Errorf("%s: %v after %v", what, err, d)
			}
		}
		if err := p.Err(); !errors.Is(err, session.ErrExpired) {
			t.Errorf("Err is %v", err)
		}
		if err := srv.Restart(); err != nil {
			t.Fatal(err)
		}
		until(t, p, isNil)
		wants(t, s, s, "two") // the update has gone on
		withdraw(t, p)
		if tree := srv.Tree(); strings.Contains(tree, "ephemeral") {
			t.Errorf("left:\n%s", tree)
		}
	})
}

// A node that may not be read does not tell by its data or owner what has become
// of the request to create it, but by its being there.
func TestReplyToUnreadableNodeIsLost(t *testing.T) {
	for _, fault := range []zktest.Fault{zktest.DropReply, zktest.Refuse} {
		synctest.Test(t, func(t *testing.T) {
			srv := zktest.New(t, zktest.WithVersion("3.8")) // later ones do not even tell whether it exists
			s := srv.Session(t)
			withdraw(t, announce(t, s, presence.Node{Path: "/app/other"})) // makes the parent
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

// Updates that come faster than the server answers are not all sent.
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

// Somebody deletes the node while its session is cut off, and puts another's in
// its place. That one is not written to, and not removed.
func TestStrangerTakesThePlace(t *testing.T) {
	for _, noticed := range []bool{false, true} {
		for _, last := range []string{"update", "withdraw"} {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				a, b := srv.Session(t), srv.Session(t)
				p := announce(t, a, presence.Node{Data: []byte("a")})
				synctest.Wait()
				heal := srv.Partition(a.Status().ID)
				if noticed {
					for a.Status().State == session.Connected {
						time.Sleep(100 * time.Millisecond)
					}
				}
				if err := b.Delete(t.Context(), path, session.AnyVersion); err != nil {
					t.Fatal(err)
				}
				other := announce(t, b, presence.Node{Data: []byte("b")})
				ended := make(chan error)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				go func() {
					if last == "update" {
						ended <- p.Update(ctx, []byte("a again"))
					} else {
						ended <- p.Withdraw(ctx)
					}
				}()
				synctest.Wait()
				heal()
				err := <-ended
				if a.Status().Epoch != 1 {
					t.Errorf("it was cut off for too long: %+v", a.Status())
				}
				if last == "update" && !errors.Is(err, presence.ErrOccupied) || last == "withdraw" && err != nil {
					t.Errorf("%s: %v", last, err)
				}
				wants(t, b, b, "b")
				withdraw(t, p)
				wants(t, b, b, "b")
				withdraw(t, other)
			})
		}
	}
}
