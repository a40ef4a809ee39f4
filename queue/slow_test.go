package queue_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// slowSession has every byte take delay each way.
func slowSession(t testing.TB, srv *zktest.Server, delay time.Duration) *session.Session {
	return srv.Session(t, session.WithDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := srv.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return newSlowConn(c, delay), nil
	}))
}

// slowConn delays what goes through it, keeping its order and without slowing
// its pace.
type slowConn struct {
	net.Conn
	out, in chan slowBytes
	rest    []byte
	delay   time.Duration
	close   sync.Once
	closed  chan struct{}
}

type slowBytes struct {
	due time.Time
	b   []byte
}

func newSlowConn(c net.Conn, delay time.Duration) *slowConn {
	s := &slowConn{Conn: c, out: make(chan slowBytes, 1000), in: make(chan slowBytes, 1000), delay: delay, closed: make(chan struct{})}
	go func() {
		for {
			select {
			case b := <-s.out:
				time.Sleep(time.Until(b.due))
				c.Write(b.b)
			case <-s.closed:
				return
			}
		}
	}()
	go func() {
		defer close(s.in)
		for {
			b := make([]byte, 64<<10)
			n, err := c.Read(b)
			if err != nil {
				return
			}
			s.in <- slowBytes{time.Now().Add(delay), b[:n]}
		}
	}()
	return s
}

func (s *slowConn) Write(b []byte) (int, error) {
	select {
	case <-s.closed:
		return 0, net.ErrClosed
	case s.out <- slowBytes{time.Now().Add(s.delay), append([]byte(nil), b...)}:
		return len(b), nil
	}
}

func (s *slowConn) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		select {
		case b, ok := <-s.in:
			if !ok {
				return 0, net.ErrClosed
			}
			time.Sleep(time.Until(b.due))
			s.rest = b.b
		case <-s.closed:
			return 0, net.ErrClosed
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *slowConn) Close() error {
	s.close.Do(func() { close(s.closed); s.Conn.Close() })
	return nil
}
