package zktest_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/zkrecipes/zkrecipes/zktest"
)

type quiet struct{}

func (quiet) Printf(string, ...any) {}

// connectSession opens a session over TCP. The second result receives its events.
func connectSession(t *testing.T, s *zktest.Server, timeout time.Duration) (*zk.Conn, <-chan zk.Event) {
	t.Helper()
	return session(t, s.Addr(), timeout, net.DialTimeout)
}

// connectMem opens a session in memory, for synctest bubbles.
func connectMem(t *testing.T, s *zktest.Server, timeout time.Duration) (*zk.Conn, <-chan zk.Event) {
	t.Helper()
	return session(t, "127.0.0.1:2181", timeout, func(network, addr string, _ time.Duration) (net.Conn, error) {
		return s.DialContext(context.Background(), network, addr)
	})
}

func session(t *testing.T, addr string, timeout time.Duration, dial zk.Dialer) (*zk.Conn, <-chan zk.Event) {
	t.Helper()
	// The channel that Connect returns drops events when its buffer is full.
	events := make(chan zk.Event, 1<<16)
	c, _, err := zk.Connect([]string{addr}, timeout, zk.WithDialer(dial), zk.WithLogger(quiet{}), zk.WithLogInfo(false),
		zk.WithEventCallback(func(e zk.Event) { events <- e }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	wait(t, events, zk.StateHasSession)
	return c, events
}

// wait receives events until the session is in the state.
func wait(t *testing.T, events <-chan zk.Event, state zk.State) {
	t.Helper()
	limit := time.After(time.Minute)
	for {
		select {
		case e := <-events:
			if e.State == state {
				return
			}
		case <-limit:
			t.Fatalf("no %v in a minute", state)
		}
	}
}

// event receives the event of a watch.
func event(t *testing.T, ch <-chan zk.Event) zk.Event {
	t.Helper()
	select {
	case e := <-ch:
		return e
	case <-time.After(time.Minute):
		t.Fatal("no event in a minute")
		panic("unreachable")
	}
}

var open = zk.WorldACL(zk.PermAll)

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
