package testkit

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// SlowSession connects to the server over a network that delays every byte by delay in
// each direction. Its bandwidth is not limited.
func SlowSession(t testing.TB, srv *zktest.Server, delay time.Duration) *session.Session {
	forwarders := new(sync.WaitGroup)
	t.Cleanup(forwarders.Wait) // after the session is closed: bytes may still be in flight
	return srv.Session(t, session.WithDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		server, err := srv.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		client, remote := net.Pipe()
		forward(forwarders, server, remote, delay)
		forward(forwarders, remote, server, delay)
		return client, nil
	}))
}

// forward copies bytes from one connection to the other, each after delay.
func forward(forwarders *sync.WaitGroup, from, to net.Conn, delay time.Duration) {
	type packet struct {
		due  time.Time
		data []byte
	}
	packets := make(chan packet, 1000)
	var once sync.Once
	closeBoth := func() { once.Do(func() { from.Close(); to.Close() }) }
	forwarders.Go(func() {
		defer close(packets)
		for {
			data := make([]byte, 1<<16)
			n, err := from.Read(data)
			if err != nil {
				return
			}
			packets <- packet{time.Now().Add(delay), data[:n]}
		}
	})
	forwarders.Go(func() {
		defer closeBoth()
		for p := range packets {
			time.Sleep(time.Until(p.due))
			if _, err := to.Write(p.data); err != nil {
				closeBoth() // which ends the reader
			}
		}
	})
}
