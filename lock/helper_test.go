package lock_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// bytewiseSession connects over a network that delivers one byte at a time, a microsecond
// apart, so that time passes between one event and the next.
func bytewiseSession(t *testing.T, srv *zktest.Server) *session.Session {
	return srv.Session(t, session.WithDialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := srv.DialContext(ctx, network, addr)
		return bytewiseConn{c}, err
	}))
}

type bytewiseConn struct{ net.Conn }

func (c bytewiseConn) Read(b []byte) (int, error) {
	time.Sleep(time.Microsecond)
	return c.Conn.Read(b[:1])
}
