package session_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// fake is a server with faults that real ones do not have. One function serves each
// connection.
type fake struct {
	mu    sync.Mutex
	dials int
	conns sync.WaitGroup
	serve func(n int, c *fakeConn) // n counts connections from 1
}

func newFake(t testing.TB, serve func(n int, c *fakeConn)) *fake {
	f := &fake{serve: serve}
	t.Cleanup(f.conns.Wait)
	return f
}

// DialContext opens a connection in memory.
func (f *fake) DialContext(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	f.mu.Lock()
	f.dials++
	n := f.dials
	f.mu.Unlock()
	f.conns.Go(func() {
		defer server.Close()
		f.serve(n, &fakeConn{Conn: server})
	})
	return client, nil
}

// Dials returns how many connections were made.
func (f *fake) Dials() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dials
}

// fakeConn is the server's end of one connection.
type fakeConn struct {
	net.Conn
	zxid int64 // of the replies
}

// frame reads one frame. It returns nil if the client has closed the connection.
func (c *fakeConn) frame() []byte {
	head := make([]byte, 4)
	if _, err := io.ReadFull(c, head); err != nil {
		return nil
	}
	frame := make([]byte, binary.BigEndian.Uint32(head))
	if _, err := io.ReadFull(c, frame); err != nil {
		return nil
	}
	return frame
}

// hello reads the client's handshake.
func (c *fakeConn) hello() (req wire.ConnectRequest) {
	wire.Unmarshal(c.frame(), &req)
	return req
}

// welcome answers a handshake with a session; with a timeout of 0 it refuses one.
func (c *fakeConn) welcome(id int64, timeoutMillis int32) {
	c.Write(wire.Frame(&wire.ConnectResponse{Timeout: timeoutMillis, SessionID: id, Passwd: make([]byte, 16)}))
}

// request reads the next request that is not a ping, and answers pings. It returns false if
// the client has closed the connection.
func (c *fakeConn) request() (h wire.RequestHeader, body []byte, ok bool) {
	for {
		frame := c.frame()
		if wire.Unmarshal(frame, &h) != nil {
			return h, nil, false
		}
		if h.Op != wire.OpPing {
			return h, frame[8:], true
		}
		c.reply(wire.XidPing, wire.OK, nil)
	}
}

func (c *fakeConn) reply(xid int32, code wire.Code, body wire.Record) {
	if body == nil {
		body = &wire.Empty{}
	}
	c.Write(wire.Frame(&wire.ReplyHeader{Xid: xid, Zxid: c.zxid, Err: code}, body))
}

// drain answers only pings and close requests, until the client has closed the connection.
func (c *fakeConn) drain() {
	for {
		h, _, ok := c.request()
		if !ok {
			return
		}
		if h.Op == wire.OpClose {
			c.reply(h.Xid, wire.OK, nil)
			return
		}
	}
}

// answer answers reads with an empty node and transactions with success, until the client
// has closed the connection.
func (c *fakeConn) answer() {
	for {
		h, _, ok := c.request()
		if !ok {
			return
		}
		switch h.Op {
		case wire.OpGetData:
			c.reply(h.Xid, wire.OK, &wire.GetDataResponse{Data: []byte("data")})
		case wire.OpMulti:
			c.reply(h.Xid, wire.OK, &wire.MultiResponse{Results: []wire.MultiResult{{Op: wire.OpCheck}}})
		case wire.OpClose:
			c.reply(h.Xid, wire.OK, nil)
			return
		default:
			c.reply(h.Xid, wire.CodeUnimplemented, nil)
		}
	}
}
