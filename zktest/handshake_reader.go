package zktest

import (
	"errors"
	"os"
	"time"
)

// A connection that has sent no handshake is closed at the second multiple of this
// time, since the server's start, after the last byte that came. It is a real
// server's zookeeper.nio.sessionlessCnxnTimeout. Connections with a session end with
// the session, which half a request does not keep alive.
const handshakeTimeout = 10 * time.Second

// An impatient reads from a connection, and fails if the handshake does not come in
// time. The connection's reader alone uses it.
type handshakeReader struct {
	conn *conn
	over bool // the handshake has come
}

func (r *handshakeReader) Read(b []byte) (int, error) {
	for {
		if !r.over {
			born := r.conn.server.startTime
			intervals := time.Since(born)/handshakeTimeout + 2
			r.conn.nc.SetReadDeadline(born.Add(intervals * handshakeTimeout))
		}
		n, err := r.conn.nc.Read(b)
		if n > 0 || r.over || !errors.Is(err, os.ErrDeadlineExceeded) || !r.conn.hidesClose() {
			return n, err
		}
	}
}

// stop is called when the first frame has come.
func (r *handshakeReader) stop() {
	if !r.over {
		r.over = true
		r.conn.nc.SetReadDeadline(time.Time{})
	}
}

// hidesClose waits while the server is paused, and reports whether the client must
// not learn what the server does with the connection.
func (c *conn) hidesClose() bool {
	c.server.waitWhilePaused()
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	return !c.detached && c.silent()
}
