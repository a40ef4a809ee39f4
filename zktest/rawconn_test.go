package zktest_test

import (
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest"
)

var world = []wire.ACL{{Perms: wire.PermAll, Scheme: "world", ID: "anyone"}}

// A rawConn is a connection on which a test writes and reads single frames.
type rawConn struct {
	t    *testing.T
	nc   net.Conn
	hi   wire.ConnectResponse
	next int32
}

// dialRaw connects in memory and opens a session.
func dialRaw(t *testing.T, s *zktest.Server) *rawConn {
	t.Helper()
	nc, err := s.DialContext(t.Context(), "tcp", "zk:2181")
	if err != nil {
		t.Fatal(err)
	}
	r := newRaw(t, nc)
	r.greet(wire.ConnectRequest{Timeout: 4000, Passwd: make([]byte, 16)})
	return r
}

func newRaw(t *testing.T, nc net.Conn) *rawConn {
	t.Cleanup(func() { nc.Close() })
	return &rawConn{t: t, nc: nc}
}

func (r *rawConn) greet(req wire.ConnectRequest) {
	r.t.Helper()
	r.write(wire.Frame(&req))
	if err := wire.Unmarshal(r.read(), &r.hi); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rawConn) write(b []byte) {
	r.t.Helper()
	if _, err := r.nc.Write(b); err != nil {
		r.t.Fatal(err)
	}
}

// read reads one frame.
func (r *rawConn) read() []byte {
	r.t.Helper()
	b, err := r.tryRead()
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

func (r *rawConn) tryRead() ([]byte, error) {
	r.nc.SetReadDeadline(time.Now().Add(time.Minute))
	head := make([]byte, 4)
	if _, err := io.ReadFull(r.nc, head); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(head))
	_, err := io.ReadFull(r.nc, b)
	return b, err
}

// closed reports whether the server has closed the connection and nothing is left to read.
func (r *rawConn) closed() bool {
	_, err := r.tryRead()
	return err == io.EOF
}

// send sends a request and returns its xid.
func (r *rawConn) send(op wire.Op, body wire.Record) int32 {
	r.t.Helper()
	r.write(r.request(op, body))
	return r.next
}

// request returns the frame of the next request. Requests after one that ends the connection
// have to be written together with it.
func (r *rawConn) request(op wire.Op, body wire.Record) []byte {
	r.next++
	if body == nil {
		body = &wire.Empty{}
	}
	return wire.Frame(&wire.RequestHeader{Xid: r.next, Op: op}, body)
}

// frame reads one reply or event.
func (r *rawConn) frame() (wire.ReplyHeader, []byte) {
	r.t.Helper()
	b := r.read()
	var hdr wire.ReplyHeader
	if err := wire.Unmarshal(b, &hdr); err != nil {
		r.t.Fatal(err)
	}
	return hdr, b[wire.ReplyHeaderLen:]
}

// call sends a request and reads its reply, which must be next.
func (r *rawConn) call(op wire.Op, body wire.Record, reply wire.Record) wire.ReplyHeader {
	r.t.Helper()
	xid := r.send(op, body)
	hdr, rest := r.frame()
	if hdr.Xid != xid {
		r.t.Fatalf("%v: got xid %d, want %d", op, hdr.Xid, xid)
	}
	if hdr.Err == wire.OK && reply != nil {
		if err := wire.Unmarshal(rest, reply); err != nil {
			r.t.Fatal(err)
		}
	}
	return hdr
}
