package membership_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file need faults or virtual time, and so the embedded
// server.

// bounce breaks all connections. Sessions are resumed.
func bounce(t testing.TB, srv *zktest.Server, outage time.Duration) {
	t.Helper()
	srv.Stop()
	time.Sleep(outage)
	if err := srv.Restart(); err != nil {
		t.Fatal(err)
	}
}

// Curator's fault 3.25: its discovery deletes and creates every instance at each
// reconnect, so that observers see it leave and join. Here they see nothing, whether
// their connection breaks or the member's.
func TestNoMemberLeavesAtReconnects(t *testing.T) {
	eachLayout(t, func(t *testing.T, l membership.Layout) {
		synctest.Test(t, func(t *testing.T) {
			srv := zktest.New(t)
			a, b := srv.Session(t), srv.Session(t)
			g := group(a, membership.WithLayout(l))
			one, two := join(t, g, "one", ""), join(t, g, "two", "")
			w := watch(t, group(b, membership.WithLayout(l)))
			for len(w.next().Members) < 2 {
			}
			srv.ResetRequests()
			for n := range 20 {
				bounce(t, srv, time.Duration(n)*100*time.Millisecond)
				time.Sleep(time.Duration(n*n) * 50 * time.Millisecond)
				if v := members(t, g, b); len(v.Members) != 2 {
					t.Errorf("there are %v", v)
				}
			}
			synctest.Wait()
			select {
			case v := <-w.views:
				t.Errorf("there are %v", v)
			default:
			}
			for _, r := range srv.Requests() {
				if r.Op == "create2" || r.Op == "delete" || r.Op == "multi" && r.Path != "/" {
					t.Errorf("%s %s", r.Op, r.Path)
				}
			}
			if a.Status().Epoch != 1 || b.Status().Epoch != 1 {
				t.Errorf("sessions were lost: %+v, %+v", a.Status(), b.Status())
			}
			w.stop()
			leave(t, one)
			leave(t, two)
		})
	})
}

// A member whose session has expired is a member again in the next, with the data
// that it was last given, and a later token.
func TestMemberIsBackAfterExpiry(t *testing.T) {
	eachLayout(t, func(t *testing.T, l membership.Layout) {
		synctest.Test(t, func(t *testing.T) {
			srv := zktest.New(t)
			a, b := srv.Session(t), srv.Session(t)
			g := group(a, membership.WithLayout(l))
			one, two := join(t, g, "one", ""), join(t, group(b, membership.WithLayout(l)), "two", "")
			w := watch(t, group(b, membership.WithLayout(l)))
			v := w.next()
			for range 3 {
				token, at := one.Token(), one.Path()
				srv.Expire(a.Status().ID)
				again(t, one, token)
				if one.Path() != at {
					t.Errorf("it is at %s, and was at %s", one.Path(), at)
				}
				for { // it may have been seen to leave
					v = w.next()
					if m, ok := v.Find("one"); ok && m.Token == one.Token() && m.Session == a.Status().ID {
						break
					}
				}
				if len(v.Members) != 2 {
					t.Errorf("there are %v", v)
				}
				if first, _ := v.First(); first.ID != "two" { // who has not gone
					t.Errorf("the first is %v", first)
				}
			}
			w.stop()
			leave(t, one)
			leave(t, two)
		})
	})
}

// The node of a session that was given up is replaced without a gap.
func TestNoMemberLeavesAtLocalLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A server that rounds up to half a minute is late to expire anything.
		srv := zktest.New(t, zktest.WithTick(30*time.Second), zktest.WithTimeouts(time.Second, time.Hour))
		a, b := srv.Session(t), srv.Session(t)
		m := join(t, group(a), "one", "1")
		token := m.Token()
		w := watch(t, group(b))
		last := w.until("one=1")
		defer srv.Inject(zktest.Rule{Op: "closeSession", Session: a.Status().ID, Fault: zktest.Refuse})()
		heal := srv.Partition(a.Status().ID)
		again(t, m, token)
		v := w.next()
		joined, left, changed := v.Diff(last)
		if summary(v) != "one=1" || len(joined)+len(left) > 0 || len(changed) != 1 || v.Members[0].Session != a.Status().ID {
			t.Errorf("joined %v, left %v, changed %v", joined, left, changed)
		}
		heal()
		w.stop()
		leave(t, m)
	})
}

// A disconnected member is shown for no longer than its session lasts.
func TestMemberThatIsCutOff(t *testing.T) {
	for _, timeout := range []time.Duration{2 * time.Second, 10 * time.Second, time.Minute} {
		for moment := range 8 {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t, zktest.WithTick(timeout/8))
				a, b := srv.Session(t, session.WithTimeout(timeout)), srv.Session(t, session.WithTimeout(timeout))
				m := join(t, group(a), "one", "1")
				w := watch(t, group(b))
				w.until("one=1")
				time.Sleep(timeout * time.Duration(moment) / 8)
				began := time.Now()
				heal := srv.Partition(a.Status().ID)
				allow := srv.Inject(zktest.Rule{Op: "connect", Fault: zktest.Refuse}) // nor can it open another session
				w.until("")
				if d := time.Since(began); d > timeout+timeout/8 {
					t.Errorf("timeout %v: it was shown for %v", timeout, d)
				}
				if m.Err() == nil {
					t.Errorf("it takes itself for a member after %v", time.Since(began))
				}
				heal()
				allow()
				w.until("one=1")
				w.stop()
				leave(t, m)
			})
		}
	}
}

// Curator's GroupMember shows itself as a member whether or not it is one. Here a
// member is what the ensemble has.
func TestMemberThatMayNotJoinAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		acl := func(p session.Perm) []session.ACL {
			return []session.ACL{{Perms: p, Scheme: "world", ID: "anyone"}}
		}
		if _, _, err := b.Create(t.Context(), path, nil, session.Parents()); err != nil {
			t.Fatal(err)
		}
		m := join(t, group(a), "one", "1")
		w := watch(t, group(a))
		w.until("one=1")
		if _, err := b.SetACL(t.Context(), path, acl(session.PermRead|session.PermAdmin), session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		srv.Expire(a.Status().ID)
		testkit.AwaitErr(t, m, func(err error) bool { return errors.Is(err, session.ErrNoAuth) })
		w.until("")
		if got := summary(members(t, group(a), a)); got != "" {
			t.Errorf("there are %s", got)
		}
		if _, err := b.SetACL(t.Context(), path, session.OpenACL(), session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		testkit.AwaitErr(t, m, testkit.IsNil)
		w.until("one=1")
		leave(t, m)
		w.stop()

		// A watcher that may not read any more says so, as soon as it is told.
		w = watch(t, group(a))
		w.until("")
		if _, err := b.SetACL(t.Context(), path, acl(session.PermAdmin), session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		srv.Expire(a.Status().ID)
		if err := <-w.end; !errors.Is(err, session.ErrNoAuth) {
			t.Errorf("Watch has ended with %v", err)
		}
	})
}

// Curator's fault 3.13: an operator deletes everything. The members are created again.
func TestGroupIsWiped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		a, b := srv.Session(t), srv.Session(t)
		one, two := join(t, group(a), "one", "1"), join(t, group(b), "two", "2")
		w := watch(t, group(b))
		w.until("one=1 two=2")
		tokens := []session.Zxid{one.Token(), two.Token()}
		if _, err := b.Txn(t.Context(), session.OpDelete(path+"/one", -1), session.OpDelete(path+"/two", -1),
			session.OpDelete(path, -1), session.OpDelete("/app", -1)); err != nil {
			t.Fatal(err)
		}
		again(t, one, tokens[0])
		again(t, two, tokens[1])
		w.until("one=1 two=2")
		w.stop()
		leave(t, one)
		leave(t, two)
	})
}

// Every call is bounded while there is no server, and says so.
func TestWithoutServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		m := join(t, group(s), "one", "1")
		w := watch(t, group(s))
		w.until("one=1")
		srv.Stop()
		time.Sleep(time.Minute)
		for what, call := range map[string]func(context.Context) error{
			"Join":    func(ctx context.Context) error { _, err := group(s).Join(ctx, "two", nil); return err },
			"Members": func(ctx context.Context) error { _, err := group(s).Members(ctx); return err },
			"Update":  func(ctx context.Context) error { return m.Update(ctx, []byte("2")) },
			"Watch": func(ctx context.Context) (err error) {
				for _, err = range group(s).Watch(ctx) {
				}
				return err
			},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			began := time.Now()
			err := call(ctx)
			cancel()
			var oe *session.OpError
			if d := time.Since(began); d != 500*time.Millisecond || !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &oe) {
				t.Errorf("%s: %v after %v", what, err, d)
			}
		}
		if err := m.Err(); !errors.Is(err, session.ErrExpired) {
			t.Errorf("Err is %v", err)
		}
		if err := srv.Restart(); err != nil {
			t.Fatal(err)
		}
		w.until("one=2")
		w.stop()
		leave(t, m)
		if tree := srv.Tree(); strings.Contains(tree, "ephemeral") {
			t.Errorf("left:\n%s", tree)
		}
	})
}
