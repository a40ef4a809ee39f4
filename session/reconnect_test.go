package session_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

var errRefused = errors.New("connection refused")

// network maps names to one server, or to none, and records every dial.
type network struct {
	mu     sync.Mutex
	server *zktest.Server
	up     map[string]bool
	dialed []string
}

func (n *network) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	n.mu.Lock()
	n.dialed = append(n.dialed, addr)
	up := n.up[addr]
	n.mu.Unlock()
	if !up {
		return nil, errRefused
	}
	return n.server.DialContext(ctx, network, addr)
}

func (n *network) set(addr string, up bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.up[addr] = up
}

// dials returns the names that were dialed since the last call.
func (n *network) dials() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.dialed
	n.dialed = nil
	return d
}

// cutAll breaks all connections of the server, which continues to serve.
func cutAll(t testing.TB, s *zktest.Server) {
	t.Helper()
	s.Stop()
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
}

func TestConnectFindsTheServerThatIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{server: serve(t), up: map[string]bool{"c:2181": true}}
		z := openAt(t, "a,b,c", session.WithDialer(n.DialContext))
		if st := z.Status(); st.State != session.Connected || st.Server != "c:2181" || st.Epoch != 1 {
			t.Errorf("status %+v", st)
		}
	})
}

// The session moves to another server of the list, keeps its id, and looks up each name
// again for every dial.
func TestReconnectToAnotherServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{server: serve(t), up: map[string]bool{"a:2181": true, "b:2181": true}}
		z := openAt(t, "a,b", session.WithDialer(n.DialContext))
		id := z.Status().ID
		for range 10 {
			was := z.Status().Server
			other := map[string]string{"a:2181": "b:2181", "b:2181": "a:2181"}[was]
			n.set(was, false)
			n.dials()
			cutAll(t, n.server)
			await(t, timeout, "connected to the other", func() bool { return z.Status().Server == other && z.Status().State == session.Connected })
			if dials := n.dials(); !slices.Contains(dials, other) {
				t.Errorf("dialed %q", dials)
			}
			n.set(was, true)
		}
		if st := z.Status(); st.ID != id || st.Epoch != 1 {
			t.Errorf("the session did not last: %+v", st)
		}
	})
}

// Between cycles, in which each server is tried once, there is a pause. The backoff gets
// the number of cycles.
func TestBackoffBetweenCycles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{server: serve(t), up: map[string]bool{}}
		var counts []int
		began := time.Now()
		_, err := session.Connect(testkit.Within(t, time.Second), "a,b,c", session.WithDialer(n.DialContext),
			session.WithBackoff(func(cycles int) time.Duration {
				counts = append(counts, cycles)
				return 100 * time.Millisecond
			}))
		testkit.WantError(t, err, context.DeadlineExceeded)
		testkit.WantError(t, err, errRefused)
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %v", took)
		}
		// A cycle at 0, 100, …, 900 ms, or one less or more at the very end.
		if cycles := len(n.dials()) / 3; cycles < 9 || cycles > 11 {
			t.Errorf("%d cycles in a second", cycles)
		}
		for i, count := range counts {
			if count != i+1 {
				t.Fatalf("the pauses were numbered %v", counts)
			}
		}
	})
}

// The first pause after a connection that lasted is the first one again.
func TestBackoffStartsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{server: serve(t), up: map[string]bool{"a:2181": true}}
		counts := make(chan int, 100)
		openAt(t, "a", session.WithDialer(n.DialContext), session.WithBackoff(func(cycles int) time.Duration {
			counts <- cycles
			return 100 * time.Millisecond
		}))
		for range 2 {
			time.Sleep(10 * time.Second)
			n.set("a:2181", false)
			cutAll(t, n.server)
			for want := range 3 {
				if got := <-counts; got != want+1 {
					t.Errorf("%d cycles, want %d", got, want+1)
				}
			}
			n.set("a:2181", true)
			time.Sleep(time.Second)
			for len(counts) > 0 {
				<-counts
			}
		}
	})
}

// A session does not spin, neither with a backoff without pauses nor because of a server.
func TestNothingSpins(t *testing.T) {
	hangUp := func(int, *fakeConn) {}
	tests := []struct {
		name  string
		serve func(n int, c *fakeConn)
		opts  []session.Option
		limit int // dials in a minute
	}{
		{name: "closes at once", serve: hangUp, limit: 400},
		{name: "closes at once, and there is no pause", serve: hangUp, limit: 61, opts: []session.Option{
			session.WithBackoff(func(int) time.Duration { return 0 }),
		}},
		{name: "closes the handshake", serve: func(_ int, c *fakeConn) { c.hello() }, limit: 400},
		{name: "opens no session", serve: func(_ int, c *fakeConn) { c.hello(); c.welcome(0, 0) }, limit: 400},
		{name: "closes after the handshake", serve: func(_ int, c *fakeConn) { c.hello(); c.welcome(7, 4000) }, limit: 400},
		{name: "forgets every session", limit: 2500, serve: func(_ int, c *fakeConn) {
			if req := c.hello(); req.SessionID == 0 {
				c.welcome(7, 4000)
			} else {
				c.welcome(0, 0)
			}
		}},
		{name: "speaks another protocol", serve: func(_ int, c *fakeConn) {
			c.hello()
			c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
		}, limit: 400},
		{name: "refuses the credentials", opts: []session.Option{session.WithAuth("digest", []byte("a:b"))}, limit: 400, serve: func(_ int, c *fakeConn) {
			c.hello()
			c.welcome(7, 4000)
			c.request()
			c.reply(wire.XidAuth, wire.CodeAuthFailed, nil)
			c.drain()
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, tt.serve)
				opts := append([]session.Option{session.WithDialer(f.DialContext), session.WithTimeout(timeout)}, tt.opts...)
				z, err := session.Connect(testkit.Within(t, time.Minute), "zk", opts...)
				if err == nil {
					time.Sleep(time.Minute)
					z.Close(testkit.Within(t, time.Second))
				}
				if n := f.Dials(); n > tt.limit {
					t.Errorf("%d connections in a minute", n)
				}
			})
		})
	}
}

// The handshake with a server that accepts and sends nothing ends after the connect timeout.
func TestConnectTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		silent := newFake(t, func(_ int, c *fakeConn) { c.drain() })
		dialed := make(map[string]time.Time)
		dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
			if len(dialed) == 0 {
				dialed[addr] = time.Now()
				return silent.DialContext(ctx, network, addr)
			}
			return s.DialContext(ctx, network, addr)
		}
		began := time.Now()
		openAt(t, "a,b", session.WithDialer(dial), session.WithConnectTimeout(700*time.Millisecond))
		if took := time.Since(began); took < 700*time.Millisecond || took > 800*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

// A dial ends after the connect timeout, too.
func TestDialTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{server: serve(t), up: map[string]bool{"b:2181": true}}
		dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
			if addr == "a:2181" {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return n.DialContext(ctx, network, addr)
		}
		began := time.Now()
		openAt(t, "a,b", session.WithDialer(dial)) // a third of the timeout, by default
		if took := time.Since(began); took > timeout/3 {
			t.Errorf("took %v", took)
		}
	})
}

// Connect fails if no server's name exists, and retries if a server is only unreachable.
func TestUnknownHosts(t *testing.T) {
	notFound := func(addr string) error {
		return &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: addr, IsNotFound: true}}
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		_, err := session.Connect(testkit.Within(t, time.Hour), "a,b", session.WithDialer(func(_ context.Context, _, addr string) (net.Conn, error) {
			return nil, notFound(addr)
		}))
		var dns *net.DNSError
		if !errors.As(err, &dns) || time.Since(began) > time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}

		began = time.Now()
		_, err = session.Connect(testkit.Within(t, time.Minute), "a,b", session.WithDialer(func(_ context.Context, _, addr string) (net.Conn, error) {
			if addr == "a:2181" {
				return nil, notFound(addr)
			}
			return nil, errRefused
		}))
		testkit.WantError(t, err, context.DeadlineExceeded)
		if took := time.Since(began); took != time.Minute {
			t.Errorf("gave up after %v", took)
		}
	})
}

// If a server opens another session instead of resuming the present one, the epoch ends.
func TestSessionChangesSilently(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cut := make(chan struct{})
		f := newFake(t, func(n int, c *fakeConn) {
			c.hello()
			c.welcome(int64(100+n), 4000)
			if n == 1 {
				<-cut
				return
			}
			c.answer()
		})
		z := openAt(t, "zk", session.WithDialer(f.DialContext))
		first := epoch(t, z)
		close(cut)
		testkit.AwaitDone(t, first.Context())
		testkit.WantError(t, first.Err(), session.ErrExpired)
		second := epoch(t, z)
		if second.Number() != 2 || second.ID() == first.ID() {
			t.Errorf("epoch %d, session %d after session %d", second.Number(), second.ID(), first.ID())
		}
	})
}

// A server that has lost its data refuses a client that has seen later changes, until the
// epoch ends at its deadline.
func TestServerIsWiped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := serve(t)
		time.Sleep(time.Second)
		wiped := serve(t) // numbers its sessions from another moment on
		var mu sync.Mutex
		server := full
		z := openAt(t, "zk", session.WithDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
			mu.Lock()
			defer mu.Unlock()
			return server.DialContext(ctx, network, addr)
		}))
		for range 50 {
			if _, _, err := z.Create(t.Context(), "/n-", nil, session.Sequential()); err != nil {
				t.Fatal(err)
			}
		}
		e := epoch(t, z)
		mu.Lock()
		server = wiped
		mu.Unlock()
		full.Stop()
		began := time.Now()
		testkit.AwaitDone(t, e.Context())
		testkit.WantError(t, e.Err(), session.ErrExpired)
		if took := time.Since(began); took > timeout {
			t.Errorf("given up after %v", took)
		}
		if next := epoch(t, z); next.Number() != 2 {
			t.Errorf("epoch %d", next.Number())
		}
		if took := time.Since(began); took > 3*timeout {
			t.Errorf("connected again after %v", took)
		}
	})
}

// The handshake contains the latest zxid that the session has seen, so that a server that
// is behind it refuses the session.
func TestHandshakeSendsLastZxid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := make(chan int64, 10)
		f := newFake(t, func(n int, c *fakeConn) {
			seen <- c.hello().LastZxidSeen
			c.zxid = 1234
			c.welcome(7, 4000)
			if n > 1 {
				c.answer()
				return
			}
			h, _, _ := c.request()
			c.reply(h.Xid, wire.OK, &wire.GetDataResponse{})
		})
		z := openAt(t, "zk", session.WithDialer(f.DialContext))
		for range 2 {
			if _, _, err := z.Get(testkit.Within(t, timeout), "/"); err != nil {
				t.Fatal(err)
			}
		}
		if first, second := <-seen, <-seen; first != 0 || second != 1234 {
			t.Errorf("the handshakes say %d and %d", first, second)
		}
	})
}

// If a server sends an invalid reply, the connection is closed, and the session continues
// over the next one.
func TestServerSendsNonsense(t *testing.T) {
	frame := func(records ...wire.Record) []byte { return wire.Frame(records...) }
	tests := []struct {
		name string
		send func(xid int32) []byte
	}{
		{"a frame of no bytes", func(int32) []byte { return []byte{0, 0, 0, 0} }},
		{"a frame of 15 bytes", func(int32) []byte { return append([]byte{0, 0, 0, 15}, make([]byte, 15)...) }},
		{"a frame of 4 GB", func(int32) []byte { return append([]byte{0xff, 0xff, 0xff, 0xff}, make([]byte, 100)...) }},
		{"a frame of 300 MB", func(int32) []byte { return append([]byte{0x12, 0, 0, 0}, make([]byte, 100)...) }},
		{"half a frame", func(int32) []byte { return []byte{0, 0, 0, 100, 1, 2, 3} }},
		{"half a long frame", func(int32) []byte { return append([]byte{0, 0x20, 0, 0}, make([]byte, 1000)...) }},
		{"half a length", func(int32) []byte { return []byte{0, 0} }},
		{"an answer to nothing", func(xid int32) []byte { return frame(&wire.ReplyHeader{Xid: xid + 1}) }},
		{"an answer to auth", func(int32) []byte { return frame(&wire.ReplyHeader{Xid: wire.XidAuth}) }},
		{"an answer to setWatches", func(int32) []byte { return frame(&wire.ReplyHeader{Xid: wire.XidSetWatches}) }},
		{"an empty answer", func(xid int32) []byte { return frame(&wire.ReplyHeader{Xid: xid}) }},
		{"half an answer", func(xid int32) []byte {
			return frame(&wire.ReplyHeader{Xid: xid}, &wire.Path{Path: "abc"})
		}},
		{"a negative length", func(xid int32) []byte {
			return frame(&wire.ReplyHeader{Xid: xid}, &wire.PathKind{Kind: -5})
		}},
		{"half an event", func(int32) []byte { return frame(&wire.ReplyHeader{Xid: wire.XidNotification}, &wire.Path{}) }},
		{"a long answer to go-zookeeper", func(int32) []byte {
			return frame(&wire.ReplyHeader{Xid: 5}, &wire.GetDataResponse{Data: make([]byte, 1<<16)})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t, func(n int, c *fakeConn) {
					c.hello()
					c.welcome(7, 4000)
					if n > 1 {
						c.answer()
						return
					}
					h, _, _ := c.request()
					c.Write(tt.send(h.Xid))
				})
				z := openAt(t, "zk", session.WithDialer(f.DialContext))
				data, _, err := z.Get(testkit.Within(t, 10*timeout), "/")
				if string(data) != "data" || err != nil {
					t.Errorf("%q, %v", data, err)
				}
				if n := f.Dials(); n != 2 {
					t.Errorf("%d connections", n)
				}
			})
		})
	}
}

// An invalid reply to the handshake has the same effect.
func TestServerSendsNonsenseAtTheHandshake(t *testing.T) {
	for _, nonsense := range [][]byte{
		{}, {0, 0}, {0, 0, 0, 0}, {0, 0, 0, 3, 1, 2, 3}, {0xff, 0xff, 0xff, 0xff, 1}, {0x7f, 0xff, 0xff, 0xff, 1},
		[]byte("SSH-2.0-OpenSSH_9.9\r\n"),
	} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake(t, func(n int, c *fakeConn) {
				c.hello()
				if n == 1 {
					c.Write(nonsense)
					return
				}
				c.welcome(7, 4000)
				c.answer()
			})
			openAt(t, "zk", session.WithDialer(f.DialContext))
			if n := f.Dials(); n != 2 {
				t.Errorf("%q: %d connections", nonsense, n)
			}
		})
	}
}

// Transactions, reads and the proofs of a holder that a server answers without executing
// them are repeated, after a pause.
func TestServerThrottles(t *testing.T) {
	for _, code := range []wire.Code{wire.CodeThrottled, wire.CodeSessionMoved, wire.CodeOperationTimeout} {
		t.Run(code.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				var held sync.WaitGroup
				f := newFake(t, func(_ int, c *fakeConn) {
					c.hello()
					c.welcome(7, 4000)
					for {
						h, _, ok := c.request()
						if !ok {
							return
						}
						requests++
						c.reply(h.Xid, code, nil)
					}
				})
				z := openAt(t, "zk", session.WithDialer(f.DialContext))
				ctx := testkit.Within(t, time.Second)
				hold := func() {
					if release, err := epoch(t, z).KeepProving(t.Context()); err == nil {
						release()
					}
				}
				held.Go(hold)
				held.Go(func() {
					_, _, err := z.Get(ctx, "/")
					testkit.WantError(t, err, context.DeadlineExceeded)
				})
				held.Go(func() {
					_, err := z.Set(ctx, "/", nil, session.AnyVersion)
					testkit.WantError(t, err, context.DeadlineExceeded)
				})
				held.Go(func() {
					_, _, err := z.Create(ctx, "/a/b/c", nil, session.Parents())
					testkit.WantError(t, err, context.DeadlineExceeded)
				})
				<-ctx.Done()
				synctest.Wait()
				if requests > 60 {
					t.Errorf("%d requests in a second", requests)
				}
				z.Close(testkit.Within(t, time.Millisecond))
				held.Wait()
			})
		})
	}
}

// If the session resumes an old ZooKeeper session to close it, and the server opens another
// one instead, that one is closed.
func TestSessionHandedOutInsteadIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var closed atomic.Int32
		var down atomic.Bool
		f := newFake(t, func(n int, c *fakeConn) {
			c.hello()
			c.welcome(int64(100*n), 4000)
			if n == 1 {
				c.frame()
				return
			}
			for {
				h, _, ok := c.request()
				if !ok {
					return
				}
				if h.Op == wire.OpClose {
					closed.Add(1)
					c.reply(h.Xid, wire.OK, nil)
					return
				}
			}
		})
		z := openAt(t, "zk", session.WithDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
			if down.Load() {
				return nil, errRefused
			}
			return f.DialContext(ctx, network, addr)
		}))
		e := epoch(t, z)
		down.Store(true)
		testkit.AwaitDone(t, e.Context()) // ended at its deadline, since its server has stopped
		down.Store(false)
		epoch(t, z)
		time.Sleep(timeout)
		if err := z.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if closed.Load() != 2 || f.Dials() != 3 {
			t.Errorf("of %d sessions, %d were closed", f.Dials(), closed.Load())
		}
	})
}
