package session_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A request that is too long for the server fails after three connections, for
// every kind of call, while other calls of the session continue and ownership is kept.
func TestRequestTooLongForServer(t *testing.T) {
	big := make([]byte, 200_000)
	calls := map[string]func(*session.Session, context.Context) error{
		"create": func(z *session.Session, ctx context.Context) error {
			_, _, err := z.Create(ctx, "/big", big)
			return err
		},
		"create ephemeral": func(z *session.Session, ctx context.Context) error {
			_, _, err := z.Create(ctx, "/big-", big, session.Ephemeral(), session.Sequential(), session.Unique())
			return err
		},
		"set": func(z *session.Session, ctx context.Context) error {
			_, err := z.Set(ctx, "/small", big, 7)
			return err
		},
		"transaction": func(z *session.Session, ctx context.Context) error {
			_, err := z.TxnWithReceipt(ctx, session.OpSet("/small", big, session.AnyVersion), session.OpCheck("/", session.AnyVersion))
			return err
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t, zktest.WithMaxBuffer(100_000))
				z := open(t, s)
				testkit.Create(t, z, "/small", "")
				testkit.Create(t, z, "/other", "")
				e := epoch(t, z)
				release, err := e.KeepProving(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				defer release()

				quit := make(chan struct{})
				var others sync.WaitGroup
				for range 5 {
					others.Go(func() {
						for {
							select {
							case <-quit:
								return
							case <-time.After(10 * time.Millisecond):
							}
							if _, err := z.Set(t.Context(), "/other", nil, session.AnyVersion); err != nil && !errors.Is(err, session.ErrUnknown) {
								t.Error(err)
							}
						}
					})
				}
				for range 5 {
					s.ResetRequests()
					err = call(z, testkit.Within(t, timeout))
					testkit.WantError(t, err, session.ErrRejected)
					if errors.Is(err, session.ErrUnknown) || !strings.Contains(fmt.Sprint(err), "jute.maxbuffer") || !strings.Contains(fmt.Sprint(err), " 200") {
						t.Errorf("error: %v", err)
					}
					if n := count(s, "connect"); n > 3 {
						t.Errorf("%d connections broke", n)
					}
				}
				close(quit)
				others.Wait()
				if e.Err() != nil {
					t.Errorf("what the session holds is lost: %v", e.Err())
				}
			})
		})
	}
}

// A server that is restarted twice while the same fifty calls are in flight is not taken for
// one that rejects them.
func TestRestartsUnderPipelinedCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		for i := range 50 {
			testkit.Create(t, z, fmt.Sprintf("/n%d", i), "")
		}
		n := 0
		s.Fault(func(r zktest.Request) zktest.Fault {
			if r.Op != "setData" {
				return zktest.Pass
			}
			n++
			if n == 1 || n == 2 {
				time.Sleep(10 * time.Millisecond) // until all that can be sent is outstanding
				s.Stop()
				time.AfterFunc(300*time.Millisecond, func() { s.Restart() })
			}
			return zktest.Pass
		})
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				if _, err := z.Set(t.Context(), fmt.Sprintf("/n%d", i), []byte("x"), 0); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n != 52 {
			t.Errorf("%d writes arrived, want 52", n)
		}
	})
}

// A server that does not answer makes no request fail: it is repeated until its context is
// done.
func TestSilenceRejectsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s, session.WithTimeout(time.Minute))
		s.Inject(zktest.Rule{Op: "getData", Fault: zktest.Hang})
		_, _, err := z.Get(testkit.Within(t, 5*time.Minute), "/")
		testkit.WantError(t, err, context.DeadlineExceeded)
		if n := count(s, "getData"); n < 4 {
			t.Errorf("the request was sent %d times", n)
		}
	})
}

// After a server closes the connection on setWatches, it is not sent again: every watch
// fires, so that its user reads again.
func TestServerRejectsSetWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		testkit.Create(t, z, "/n", "")
		e := epoch(t, z)
		s.Inject(zktest.Rule{Op: "setWatches", Fault: zktest.Refuse})
		for range 3 {
			_, w, err := e.WatchNode(t.Context(), "/n")
			if err != nil {
				t.Fatal(err)
			}
			cutAll(t, s)
			select {
			case <-w.Fired():
			case <-time.After(timeout):
				t.Fatal("the watch neither is set again nor fires")
			}
			if w.SameConnection() || w.Deleted() {
				t.Errorf("unbroken %v, deleted %v", w.SameConnection(), w.Deleted())
			}
		}
		if n := count(s, "setWatches"); n > 3 {
			t.Errorf("setWatches was sent %d times", n)
		}
	})
}

// Connect fails if a server closes the connection on the credentials.
func TestServerRejectsAuth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		s.Inject(zktest.Rule{Op: "auth", Fault: zktest.Refuse})
		_, err := session.Connect(testkit.Within(t, time.Minute), "zk1:2181", session.WithDialer(s.DialContext),
			session.WithTimeout(timeout), session.WithAuth("digest", []byte("user:password")))
		testkit.WantError(t, err, session.ErrRejected)
		if !strings.Contains(fmt.Sprint(err), "auth") {
			t.Errorf("the error does not name the operation: %v", err)
		}
	})
}

// A reply that cannot be decoded breaks the connection. The request fails after the second
// such reply, and other requests do not fail.
func TestReplyThatCannotBeDecoded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t, func(_ int, c *fakeConn) {
			c.hello()
			c.welcome(7, 4000)
			for {
				switch h, _, ok := c.request(); {
				case !ok:
					return
				case h.Op == wire.OpGetData:
					c.reply(h.Xid, wire.OK, &wire.Path{Path: "x"}) // too short
				case h.Op == wire.OpExists:
					c.reply(h.Xid, wire.OK, &wire.Stat{})
				default:
					c.reply(h.Xid, wire.OK, nil)
				}
			}
		})
		z := openAt(t, "zk1:2181", session.WithDialer(f.DialContext))
		_, _, err := z.Get(testkit.Within(t, time.Minute), "/n")
		testkit.WantError(t, err, session.ErrRejected)
		for _, part := range []string{"get /n", "getData", "bytes", "decoded"} {
			if !strings.Contains(fmt.Sprint(err), part) {
				t.Errorf("%q is not in the error: %v", part, err)
			}
		}
		if n := f.Dials(); n > 3 {
			t.Errorf("%d connections", n)
		}
		if _, ok, err := z.Exists(testkit.Within(t, time.Minute), "/n"); !ok || err != nil {
			t.Errorf("afterwards: %v, %v", ok, err)
		}
	})
}

// A reply that cannot be decoded breaks the connection, and the later requests in flight are
// sent again: only one request fails.
func TestReplyThatCannotBeDecodedFailsNoOtherRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		outstanding := make(chan struct{})
		f := newFake(t, func(n int, c *fakeConn) {
			c.hello()
			c.welcome(7, 4000)
			for {
				switch h, _, ok := c.request(); {
				case !ok:
					return
				case h.Op == wire.OpGetData:
					if n == 2 { // with another request behind it
						close(outstanding)
						c.request()
					}
					c.reply(h.Xid, wire.OK, &wire.Path{Path: "x"}) // too short
				case h.Op == wire.OpExists:
					c.reply(h.Xid, wire.OK, &wire.Stat{})
				default:
					c.reply(h.Xid, wire.OK, nil)
				}
			}
		})
		z := openAt(t, "zk1:2181", session.WithDialer(f.DialContext))
		var reads sync.WaitGroup
		reads.Go(func() {
			_, _, err := z.Get(testkit.Within(t, time.Minute), "/n")
			testkit.WantError(t, err, session.ErrRejected)
		})
		<-outstanding
		if _, ok, err := z.Exists(testkit.Within(t, time.Minute), "/n"); !ok || err != nil {
			t.Errorf("the other request: %v, %v", ok, err)
		}
		reads.Wait()
	})
}

// The loss of a connection and its recovery are in the log at level Info, one line
// each.
func TestConnectionLossIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		var log strings.Builder
		z := open(t, s, session.WithLogger(slog.New(slog.NewTextHandler(&log, nil))))
		cutAll(t, s)
		if err := z.Sync(t.Context(), "/"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for line, want := range map[string]int{"zookeeper: connected": 2, "zookeeper: connection lost": 1} {
			if n := strings.Count(log.String(), `level=INFO msg="`+line+`" server=zk1:2181 session=0x`); n != want {
				t.Errorf("%q is there %d times, want %d:\n%s", line, n, want, log.String())
			}
		}
	})
}
