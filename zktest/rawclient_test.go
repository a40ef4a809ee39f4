package zktest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

// A rawClient is a connection with a session. It sends no pings and does not reconnect.
// The tests of the protocol use it.
type rawClient struct {
	conn        net.Conn
	session     wire.ConnectResponse
	xid         int32
	stopClosing func() bool
}

// A rawError is the error code in the header of a reply.
type rawError struct {
	op   wire.Op
	code wire.Code
}

func (e *rawError) Error() string { return fmt.Sprintf("zktest: %v: %v", e.op, e.code) }

// dialRaw opens a session at one server. The connection is closed when ctx is done.
func dialRaw(ctx context.Context, addr string, timeout time.Duration) (*rawClient, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &rawClient{conn: conn}
	c.stopClosing = context.AfterFunc(ctx, func() { conn.Close() })
	if err := c.handshake(&wire.ConnectRequest{Timeout: int32(timeout.Milliseconds()), Passwd: make([]byte, 16)}); err != nil {
		c.closeConn()
		return nil, fmt.Errorf("zktest: session at %s: %w", addr, err)
	}
	return c, nil
}

func (c *rawClient) handshake(req *wire.ConnectRequest) error {
	if _, err := c.conn.Write(wire.Frame(req)); err != nil {
		return err
	}
	body, err := c.frame()
	if err != nil {
		return err
	}
	return wire.Unmarshal(body, &c.session)
}

// send sends a request without waiting for the reply.
func (c *rawClient) send(xid int32, op wire.Op, body wire.Record) error {
	_, err := c.conn.Write(wire.Frame(&wire.RequestHeader{Xid: xid, Op: op}, body))
	return err
}

// receive returns the next reply or event.
func (c *rawClient) receive() (wire.ReplyHeader, []byte, error) {
	var h wire.ReplyHeader
	body, err := c.frame()
	if err == nil {
		err = wire.Unmarshal(body, &h)
	}
	if err != nil {
		return h, nil, err
	}
	return h, body[wire.ReplyHeaderLen:], nil
}

func (c *rawClient) frame() ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(c.conn, length[:]); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint32(length[:]))
	_, err := io.ReadFull(c.conn, body)
	return body, err
}

// call sends a request and decodes the body of its reply into resp. The error is a
// *rawError if the reply has an error code.
func (c *rawClient) call(op wire.Op, req, resp wire.Record) (wire.ReplyHeader, error) {
	c.xid++
	if err := c.send(c.xid, op, req); err != nil {
		return wire.ReplyHeader{}, err
	}
	for {
		h, body, err := c.receive()
		switch {
		case err != nil:
			return h, err
		case h.Xid != c.xid:
			continue // an event
		case h.Err != wire.OK:
			return h, &rawError{op, h.Err}
		default:
			return h, wire.Unmarshal(body, resp)
		}
	}
}

// close closes the session and the connection.
func (c *rawClient) close() error {
	_, err := c.call(wire.OpClose, &wire.Empty{}, &wire.Empty{})
	c.closeConn()
	return err
}

// closeConn closes the connection. The session lives until its timeout.
func (c *rawClient) closeConn() {
	c.stopClosing()
	c.conn.Close()
}

func (c *rawClient) create(path string) error {
	_, err := c.call(wire.OpCreate, &wire.CreateRequest{Path: path, ACL: ztree.OpenACL}, &wire.Path{})
	return err
}

func hasCode(err error, code wire.Code) bool {
	refused := (*rawError)(nil)
	return errors.As(err, &refused) && refused.code == code
}
