package faulttable

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// SlowSession connects to the server over a network on which every byte takes
// delay each way, and which carries any number of them at once.
func SlowSession(t testing.TB, srv *zktest.Server, delay time.Duration) *session.Session {
	carriers := new(sync.WaitGroup)
	t.Cleanup(carriers.Wait) // after the session is closed: a byte may still be under way
	return srv.Session(t, session.WithDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		server, err := srv.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		client, far := net.Pipe()
		slowly(carriers, server, far, delay)
		slowly(carriers, far, server, delay)
		return client, nil
	}))
}

// slowly carries bytes from one end of a network to the other.
func slowly(carriers *sync.WaitGroup, from, to net.Conn, delay time.Duration) {
	type packet struct {
		due  time.Time
		data []byte
	}
	packets := make(chan packet, 1000)
	var end sync.Once
	over := func() { end.Do(func() { from.Close(); to.Close() }) }
	carriers.Go(func() {
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
	carriers.Go(func() {
		defer over()
		for p := range packets {
			time.Sleep(time.Until(p.due))
			if _, err := to.Write(p.data); err != nil {
				over() // so that nothing more is read
			}
		}
	})
}
