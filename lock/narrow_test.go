package lock_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// narrowSession has the bytes it reads come one by one, so that there is time
// between one event and the next.
func narrowSession(t *testing.T, srv *zktest.Server) *session.Session {
	return srv.Session(t, session.WithDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := srv.DialContext(ctx, network, addr)
		return narrowConn{c}, err
	}))
}

type narrowConn struct{ net.Conn }

func (c narrowConn) Read(b []byte) (int, error) {
	time.Sleep(time.Microsecond)
	return c.Conn.Read(b[:1])
}
