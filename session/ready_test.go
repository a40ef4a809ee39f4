package session_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// A connection breaks on the side that writes while the side that reads is about
// to open it for requests. It stays closed for them, and the next one serves.
func TestBrokenBeforeReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		var broken atomic.Bool
		z := open(t, s, session.WithAuth("digest", []byte("user:password")), session.WithDialer(
			func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := s.DialContext(ctx, network, addr)
				if err != nil || broken.Load() {
					return c, err
				}
				return &halfBrokenConn{Conn: c, broken: &broken}, nil
			}))
		if !broken.Load() {
			t.Fatal("no connection has broken")
		}
		create(t, z, "/n", "data")
		time.Sleep(10 * timeout)
		if data, _, err := z.Get(t.Context(), "/n"); err != nil || string(data) != "data" {
			t.Errorf("%q, %v", data, err)
		}
		if st := z.Status(); st.State != session.Connected || st.Epoch != 1 {
			t.Errorf("the session is %+v", st)
		}
	})
}

// halfBrokenConn takes no more bytes once the answer to the credentials has been
// read, and gives the reader pause so that this is noticed first.
type halfBrokenConn struct {
	net.Conn
	deadlines int // of reads, each of which but the first is set on an answer
	broken    *atomic.Bool
}

func (c *halfBrokenConn) SetReadDeadline(d time.Time) error {
	if c.deadlines++; c.deadlines == 2 {
		c.broken.Store(true)
		time.Sleep(timeout / 2) // there is a ping meanwhile
	}
	return c.Conn.SetReadDeadline(d)
}

func (c *halfBrokenConn) Write(b []byte) (int, error) {
	if c.broken.Load() {
		return 0, errors.New("broken pipe")
	}
	return c.Conn.Write(b)
}
