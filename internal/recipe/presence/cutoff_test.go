package presence_test

import (
	"context"
	"errors"
	"strings"
	"sync"
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

// The node of the previous ZooKeeper session is replaced immediately and without a
// gap, although the server keeps that session.
func TestFormerNodeIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// A server that rounds up to half a minute expires sessions late.
		srv := zktest.New(t, zktest.WithTick(30*time.Second), zktest.WithTimeouts(time.Second, time.Hour))
		s, o := srv.Session(t), srv.Session(t)
		p := announce(t, s, presence.Node{Data: []byte("one")})
		before := wants(t, o, s, "one")
		e, err := o.Epoch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// The close request of the old session is delayed.
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
		admit := srv.Inject(zktest.Rule{Op: "connect", Fault: zktest.Refuse}) // it does not reconnect before the node is checked
		heal := srv.Partition(former)
		testkit.AwaitErr(t, p, func(err error) bool { return errors.Is(err, session.ErrExpired) })
		if data, st, err := o.Get(t.Context(), path); err != nil || string(data) != "one" || st.EphemeralOwner != former {
			t.Errorf("before: %q of 0x%x (%v)", data, st.EphemeralOwner, err)
		}
		admit()
		testkit.AwaitErr(t, p, testkit.IsNil)
		if after := wants(t, o, s, "one"); after.EphemeralOwner == former || after.Czxid <= before.Czxid {
			t.Errorf("the owner was 0x%x, and is 0x%x", former, after.EphemeralOwner)
		}
		synctest.Wait()
		stop()
		<-seen
		if gaps != 0 {
			t.Errorf("the node did not exist, or existed twice, %d times", gaps)
		}
		heal()
		withdraw(t, p)
	})
}

// Another session has created the node while the announcement's session was lost.
func TestPlaceIsTakenLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, o := srv.Session(t), srv.Session(t)
		p := announce(t, s, presence.Node{Data: []byte("one"), IfExists: presence.Replace})
		remove := srv.Fault(func(r zktest.Request) zktest.Fault {
			if r.Op == "connect" {
				return zktest.Refuse // it does not reconnect yet
			}
			return zktest.Pass
		})
		srv.Expire(s.Status().ID)
		_, taken, err := o.Create(t.Context(), path, []byte("persistent"), session.Parents())
		if err != nil {
			t.Fatal(err)
		}
		remove()
		testkit.AwaitErr(t, p, func(err error) bool { return errors.Is(err, presence.ErrOccupied) })
		if _, st, err := o.Get(t.Context(), path); err != nil || st.Czxid != taken.Czxid {
			t.Errorf("it was replaced: %+v (%v)", st, err)
		}
		if _, err := presence.Announce(context.Background(), s, presence.Node{Path: path}); !errors.Is(err, presence.ErrDuplicate) {
			t.Errorf("a second announcement: %v", err)
		}
		if err := o.Delete(t.Context(), path, session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		wants(t, o, s, "one") // immediately, because the other session's node is watched
		withdraw(t, p)
	})
}

// Withdraw is bounded by its context while there is no connection, continues in the
// background, and the next announcement waits for it.
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
		again := make(chan *presence.Announcement)
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

// Every call is bounded while there is no server, and its error says so.
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
		testkit.AwaitErr(t, p, testkit.IsNil)
		wants(t, s, s, "two") // the update continued
		withdraw(t, p)
		if tree := srv.Tree(); strings.Contains(tree, "ephemeral") {
			t.Errorf("left:\n%s", tree)
		}
	})
}

// The node is deleted while its session is cut off, and another session creates it.
// The announcement does not write to that node and does not remove it.
func TestForeignNodeTakesThePlace(t *testing.T) {
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

// Each call is canceled at each of its requests: before the request is applied, and
// when its reply has arrived. Announce then leaves nothing, and Update and Withdraw
// continue in the background.
func TestCanceledAtEveryRequest(t *testing.T) {
	for n := 1; n <= 6; n++ {
		for _, answered := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				var mu sync.Mutex
				var cancel context.CancelFunc
				left := 0 // requests until then
				count := func() {
					mu.Lock()
					defer mu.Unlock()
					if left--; left == 0 {
						cancel()
					}
				}
				cancelAfter := func(n int) (ctx context.Context) {
					mu.Lock()
					defer mu.Unlock()
					ctx, cancel = context.WithCancel(t.Context())
					left = n
					return ctx
				}
				s := srv.Session(t, session.WithHooks(session.Hooks{Request: func(session.RequestInfo) {
					if answered {
						count()
					}
				}}))
				o := srv.Session(t)
				other := announce(t, o, presence.Node{Data: []byte("other"), Path: "/app/other"})
				id := s.Status().ID
				defer srv.Fault(func(r zktest.Request) zktest.Fault {
					if r.Session == id && !answered {
						count()
					}
					return zktest.Pass
				})()
				during := func(call func(context.Context) error) error {
					err := call(cancelAfter(n))
					cancelAfter(0)
					time.Sleep(time.Second)
					if err != nil && !errors.Is(err, context.Canceled) {
						t.Errorf("request %d: %v", n, err)
					}
					return err
				}
				var p *presence.Announcement
				err := during(func(ctx context.Context) (err error) {
					p, err = presence.Announce(ctx, s, presence.Node{Path: path, Data: []byte("one")})
					return err
				})
				if err != nil {
					wantsAbsence(t, o)
					p = announce(t, s, presence.Node{Data: []byte("one")})
				}
				wants(t, o, s, "one")
				during(func(ctx context.Context) error { return p.Update(ctx, []byte("two")) })
				wants(t, o, s, "two")
				during(p.Withdraw)
				wantsAbsence(t, o)
				if w := srv.Watches(); len(w) != 1 || w[0].Session == id {
					t.Errorf("request %d: watches left: %v", n, w)
				}
				withdraw(t, other)
			})
		}
	}
}
