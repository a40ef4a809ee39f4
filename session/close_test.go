package session_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Close ends the session in every state and in time, and leaves no goroutine: synctest would
// report one. All later calls fail.
func TestClose(t *testing.T) {
	tests := []struct {
		name   string
		before func(*testing.T, *zktest.Server, *session.Session)
		limit  time.Duration
		told   bool // the server hears of it
	}{
		{name: "connected", before: func(*testing.T, *zktest.Server, *session.Session) {}, told: true},
		{name: "holding and watching", told: true, before: func(t *testing.T, _ *zktest.Server, z *session.Session) {
			hold(t, epoch(t, z))
			watchNode(t, z, "/n")
		}},
		{name: "connection just cut", told: true, limit: time.Second, before: func(t *testing.T, s *zktest.Server, _ *session.Session) {
			cutAll(t, s)
		}},
		{name: "suspended", limit: timeout, before: func(t *testing.T, s *zktest.Server, z *session.Session) {
			s.Stop()
			time.Sleep(timeout / 2)
		}},
		{name: "black hole, not noticed", limit: timeout, before: func(t *testing.T, s *zktest.Server, z *session.Session) {
			s.PartitionAll()
		}},
		{name: "black hole, noticed", limit: timeout, before: func(t *testing.T, s *zktest.Server, z *session.Session) {
			s.PartitionAll()
			time.Sleep(timeout * 3 / 4)
		}},
		{name: "server cut off from its leader", limit: timeout, told: true, before: func(t *testing.T, s *zktest.Server, z *session.Session) {
			s.Isolate(z.Status().ID)
		}},
		{name: "connecting again after a loss", limit: timeout, before: func(t *testing.T, s *zktest.Server, z *session.Session) {
			e := epoch(t, z)
			s.Stop()
			testkit.AwaitDone(t, e.Context())
			time.Sleep(timeout)
		}},
		{name: "handshake hangs", limit: timeout, before: func(t *testing.T, s *zktest.Server, z *session.Session) {
			s.Fault(func(r zktest.Request) zktest.Fault {
				if r.Op == "connect" {
					return zktest.Hang
				}
				return zktest.Pass
			})
			cutAll(t, s)
			time.Sleep(timeout / 4)
		}},
		{name: "expired", limit: time.Second, told: true, before: func(t *testing.T, s *zktest.Server, z *session.Session) {
			s.Expire(z.Status().ID)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t)
				z := open(t, s)
				e := epoch(t, z)
				if _, _, err := e.Create(t.Context(), "/mine", nil, session.Ephemeral()); err != nil {
					t.Fatal(err)
				}
				tt.before(t, s, z)
				began := time.Now()
				var wg sync.WaitGroup
				for range 3 { // at once, all wait for the same end
					wg.Go(func() {
						if err := z.Close(t.Context()); err != nil {
							t.Error(err)
						}
					})
				}
				wg.Wait()
				if took := time.Since(began); took > tt.limit {
					t.Errorf("took %v", took)
				}
				if tt.told && len(s.Sessions()) != 0 {
					t.Errorf("left sessions %v and\n%s", s.Sessions(), s.Tree())
				}
				if err := z.Close(t.Context()); err != nil {
					t.Errorf("again: %v", err)
				}
				checkClosed(t, z)
			})
		})
	}
}

func checkClosed(t *testing.T, z *session.Session) {
	t.Helper()
	ctx := t.Context()
	if st := z.Status(); st.State != session.Closed {
		t.Errorf("status %+v", st)
	}
	_, _, err := z.Get(ctx, "/n")
	testkit.WantError(t, err, session.ErrClosed)
	_, err = z.Set(ctx, "/n", nil, 0)
	testkit.WantError(t, err, session.ErrClosed)
	_, _, err = z.Create(ctx, "/n", nil)
	testkit.WantError(t, err, session.ErrClosed)
	_, _, err = z.Create(ctx, "/n", nil, session.Ephemeral())
	testkit.WantError(t, err, session.ErrClosed)
	_, err = z.Txn(ctx, session.OpDelete("/n", 0))
	testkit.WantError(t, err, session.ErrClosed)
	_, err = z.Epoch(ctx)
	testkit.WantError(t, err, session.ErrClosed)
	testkit.WantError(t, z.Ready(ctx), session.ErrClosed)
	for st := range z.Watch(ctx) {
		if st.State != session.Closed {
			t.Errorf("watch yields %+v", st)
		}
	}
}

// The context bounds the wait of Close, also if it is done before; a server that can be
// reached closes the session nevertheless.
func TestCloseWithShortContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended, cancel := context.WithCancel(t.Context())
		cancel()

		s := serve(t)
		z := open(t, s)
		z.Close(ended)
		if len(s.Sessions()) != 0 {
			t.Error("the server has not closed the session")
		}

		z = open(t, s)
		s.PartitionAll()
		began := time.Now()
		err := z.Close(testkit.Within(t, time.Second))
		testkit.WantError(t, err, context.DeadlineExceeded)
		if want := "session: close zk1:2181: context deadline exceeded"; err == nil || err.Error() != want {
			t.Errorf("error is %q, want %q", err, want)
		}
		if took := time.Since(began); took > time.Second+100*time.Millisecond {
			t.Errorf("took %v", took)
		}
	})
}

// Calls that wait for a server or in KeepProving return immediately at Close.
func TestCloseWakesWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		e := epoch(t, z)
		ctx := context.Background()
		s.Isolate(e.ID())
		time.Sleep(timeout)
		waiting := map[string]func() error{
			"sync":         func() error { return z.Sync(ctx, "/") },
			"set":          func() error { _, err := z.Set(ctx, "/", nil, 0); return err },
			"create":       func() error { _, _, err := z.Create(ctx, "/n", nil); return err },
			"ephemeral":    func() error { _, _, err := z.Create(ctx, "/n", nil, session.Ephemeral()); return err },
			"second":       func() error { _, _, err := z.Create(ctx, "/n", nil, session.Ephemeral()); return err },
			"hold":         func() error { _, err := e.KeepProving(ctx); return err },
			"watch":        func() error { _, _, _, err := e.WatchExists(ctx, "/"); return err },
			"set of epoch": func() error { _, err := e.Txn(ctx, session.OpDelete("/", 0)); return err },
		}
		var wg sync.WaitGroup
		var at time.Time
		wg.Go(func() { z.Sync(ctx, "/") }) // behind this not even a read is answered
		synctest.Wait()
		for name, f := range waiting {
			wg.Go(func() {
				err := f()
				testkit.WantError(t, err, session.ErrClosed)
				if late := time.Since(at); late != 0 {
					t.Errorf("%s was notified after %v", name, late)
				}
			})
		}
		synctest.Wait()
		at = time.Now()
		z.Close(t.Context())
		wg.Wait()
	})
}

// A goroutine of the session that waits for the next epoch does not block Close, which waits
// for the goroutine.
func TestCloseWakesTasks(t *testing.T) {
	for name, wait := range map[string]func(*session.Session) error{
		"epoch": func(z *session.Session) error { _, err := z.Epoch(context.Background()); return err },
		"call":  func(z *session.Session) error { return z.Sync(context.Background(), "/") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t)
				z := open(t, s)
				e := epoch(t, z)
				s.Stop()
				testkit.AwaitDone(t, e.Context())
				ended := make(chan error, 1)
				e.Go(func() { ended <- wait(z) })
				synctest.Wait()
				if err := z.Close(testkit.Within(t, time.Hour)); err != nil {
					t.Error(err)
				}
				testkit.WantError(t, <-ended, session.ErrClosed)
			})
		})
	}
}

// A Connect that fails leaves no goroutine and no ZooKeeper session.
func TestConnectFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		s.Stop()
		began := time.Now()
		_, err := session.Connect(testkit.Within(t, 500*time.Millisecond), "zk", session.WithDialer(s.DialContext))
		testkit.WantError(t, err, context.DeadlineExceeded)
		if took := time.Since(began); took > 600*time.Millisecond {
			t.Errorf("took %v", took)
		}
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		heal := s.PartitionAll()
		_, err = session.Connect(testkit.Within(t, 500*time.Millisecond), "zk", session.WithDialer(s.DialContext))
		testkit.WantError(t, err, context.DeadlineExceeded)
		heal()

		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = session.Connect(ended, "zk", session.WithDialer(func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}))
		testkit.WantError(t, err, context.Canceled)
		time.Sleep(time.Minute)
		s.Leaks(t)
	})
}
