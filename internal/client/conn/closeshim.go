package conn

import (
	"encoding/binary"
	"io"
	"net"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// go-zookeeper's Close waits a second for the reply to its close request if it has no
// connection, and longer if it is in a handshake. So the Conn gives it a last connection
// to a server in this process, which always replies, and Close returns immediately.

// dialShim returns the client end of such a connection.
func (cc *Conn) dialShim() net.Conn {
	client, server := net.Pipe()
	cc.connector.Go(func() {
		defer server.Close()
		if frame, err := readFrame(server); err == nil {
			var req wire.ConnectRequest
			if wire.Unmarshal(frame, &req) != nil {
				return
			}
			server.Write(wire.Frame(&wire.ConnectResponse{Timeout: req.Timeout, SessionID: 1, Passwd: make([]byte, 16)}))
		}
		cc.shimOnce.Do(func() { close(cc.shimConnected) })
		for {
			frame, err := readFrame(server)
			if err != nil {
				return
			}
			var h wire.RequestHeader
			if wire.Unmarshal(frame, &h) == nil && h.Op == wire.OpClose {
				server.Write(wire.Frame(&wire.ReplyHeader{Xid: h.Xid}))
			}
		}
	})
	return client
}

// shutdown ends go-zookeeper and waits until its goroutines have returned. It breaks the
// latest transport.
func (cc *Conn) shutdown() {
	cc.close()
	if cc.zkConn == nil {
		return
	}
	cc.mu.Lock()
	t := cc.latest
	cc.mu.Unlock()
	if t != nil {
		t.fail(net.ErrClosed)
	}
	<-cc.shimConnected
	cc.zkConn.Close()
	for range cc.events { // closed when its loop has ended
	}
}

// longestHandshake is a limit for frames of handshakes and of close requests, which are
// far shorter.
const longestHandshake = 1<<20 - 1

// readFrame reads a frame without its length.
func readFrame(r io.Reader) ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head)
	if n > longestHandshake {
		return nil, io.ErrUnexpectedEOF
	}
	frame := make([]byte, n)
	_, err := io.ReadFull(r, frame)
	return frame, err
}
