package zktest

import (
	"errors"
	"os"
	"time"
)

// A connection that has sent no handshake is closed at the second multiple of this time
// since the server's start, counted from the last byte that came. Real servers call it
// zookeeper.nio.sessionlessCnxnTimeout. A connection with a session is closed when the
// session ends, which an incomplete request does not prevent.
const handshakeTimeout = 10 * time.Second

// A handshakeReader reads from a connection. Reads fail if the handshake does not come in
// time. It is used by the connection's reading goroutine only.
type handshakeReader struct {
	conn *conn
	done bool // the handshake has come
}

func (r *handshakeReader) Read(b []byte) (int, error) {
	for {
		if !r.done {
			born := r.conn.server.startTime
			intervals := time.Since(born)/handshakeTimeout + 2
			r.conn.nc.SetReadDeadline(born.Add(intervals * handshakeTimeout))
		}
		n, err := r.conn.nc.Read(b)
		if n > 0 || r.done || !errors.Is(err, os.ErrDeadlineExceeded) || !r.conn.hidesClose() {
			return n, err
		}
	}
}

// finish is called when the first frame has come. It ends the deadline.
func (r *handshakeReader) finish() {
	if !r.done {
		r.done = true
		r.conn.nc.SetReadDeadline(time.Time{})
	}
}

// hidesClose blocks while the server is paused. It reports whether the client must not
// notice that the server closes the connection.
func (c *conn) hidesClose() bool {
	c.server.waitWhilePaused()
	c.server.mu.Lock()
	defer c.server.mu.Unlock()
	return !c.detached && c.silent()
}
