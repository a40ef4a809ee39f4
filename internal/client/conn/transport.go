package conn

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/channel"
	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// maxReply is the maximal size of a reply in bytes, unless WithMaxBuffer allows more. Lists
// of children can be far longer than the requests that a server accepts.
const maxReply = 256 << 20

// transport is the net.Conn that go-zookeeper uses. It knows the protocol: it sends
// go-zookeeper's handshake, pings and close request, sends the session's requests between
// them, removes their replies and all events from the bytes that go-zookeeper reads, and
// records when each request was sent and answered.
type transport struct {
	net.Conn
	cc       *Conn
	to       target
	server   string // its label
	in       *bufio.Reader
	leftover []byte // unread rest of the frame that go-zookeeper is reading
	broken   chan struct{}
	wake     chan struct{} // wakes write when queue is not empty
	ending   sync.Once

	mu        sync.Mutex
	queue     [][]byte
	pending   []*Call // in flight, in order
	waiting   []*Call // not sent yet, because of a suspect; see pump
	alone     *Call   // a suspect in flight, which is then the only call in pending
	pinged    bool    // a ping was sent to see whether the server answers on this connection
	answers   bool    // the server has answered after the handshake
	written   int     // how many of pending have been written to the connection
	nextXid   int32
	opened    bool      // the handshake is complete
	handshake time.Time // when the handshake was sent
	reason    error     // why the transport is broken; nil if it is not
}

func newTransport(cc *Conn, to target, c net.Conn) *transport {
	t := &transport{
		Conn: c, cc: cc, to: to, server: to.label,
		in:      bufio.NewReaderSize(c, 16<<10),
		broken:  make(chan struct{}),
		wake:    make(chan struct{}, 1),
		nextXid: math.MinInt32,
	}
	c.SetDeadline(time.Now().Add(cc.cfg.ConnectTimeout))
	cc.connector.Go(t.write)
	return t
}

// The transport sets the deadlines of the connection itself: those of go-zookeeper are too
// long for the handshake and do not consider the session's frames.

// SetDeadline does nothing; see transport.
func (t *transport) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing; see transport.
func (t *transport) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing; see transport.
func (t *transport) SetWriteDeadline(time.Time) error { return nil }

// Close breaks the connection for go-zookeeper and for all calls in flight.
func (t *transport) Close() error {
	t.fail(net.ErrClosed)
	return nil
}

// Write sends a frame of go-zookeeper, which writes whole frames.
func (t *transport) Write(p []byte) (int, error) {
	frame := append([]byte(nil), p...)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reason != nil {
		return 0, t.reason
	}
	if t.handshake.IsZero() {
		var req wire.ConnectRequest
		if err := wire.Unmarshal(p[4:], &req); err != nil {
			return 0, err
		}
		// go-zookeeper sees no replies, so it does not know the latest zxid that the
		// session has seen. A server that is behind it must refuse the session.
		req.LastZxidSeen = t.cc.lastZxid.Load()
		req.HasReadOnly = true
		frame = wire.Frame(&req)
		t.handshake = time.Now()
	}
	t.enqueue(frame)
	return len(p), nil
}

// send queues calls, so that they are sent in this order without another request of the
// session between them. If the connection is broken, it returns false and sends none.
func (t *transport) send(calls ...*Call) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reason != nil {
		return false
	}
	t.waiting = append(t.waiting, calls...)
	t.pump()
	return true
}

// sendFirst is send for a call that is sent before the waiting ones.
func (t *transport) sendFirst(c *Call) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reason != nil {
		return false
	}
	t.waiting = append([]*Call{c}, t.waiting...)
	t.pump()
	return true
}

// pump sends the waiting calls up to a suspect. A suspect is sent when the server has
// answered on this connection and no other call is in flight, and no call is sent until it
// has been answered. The caller must hold t.mu.
func (t *transport) pump() {
	for len(t.waiting) > 0 && t.alone == nil {
		c := t.waiting[0]
		if c.Tries.suspect {
			if !t.answers && !t.pinged {
				t.pinged = true
				t.enqueue(wire.Frame(&wire.RequestHeader{Xid: wire.XidPing, Op: wire.OpPing}))
			}
			if !t.answers || len(t.pending) > 0 {
				return
			}
			t.alone = c
		}
		t.waiting = t.waiting[1:]
		t.transmit(c)
	}
}

// transmit gives a call to the writer. The caller must hold t.mu.
func (t *transport) transmit(c *Call) {
	c.xid = t.nextXid
	if t.nextXid++; t.nextXid > -1<<16 { // the protocol reserves small negative ones
		t.nextXid = math.MinInt32
	}
	switch c.Op {
	case wire.OpAuth:
		c.xid = wire.XidAuth
	case wire.OpSetWatches:
		c.xid = wire.XidSetWatches
	}
	c.Sent = time.Now()
	t.pending = append(t.pending, c)
	frame := wire.Frame(&wire.RequestHeader{Xid: c.xid, Op: c.Op}, c.Body)
	c.Size = len(frame)
	t.enqueue(frame)
}

// enqueue gives a frame to the writer. The caller must hold t.mu.
func (t *transport) enqueue(frame []byte) {
	t.queue = append(t.queue, frame)
	channel.Wake(t.wake)
}

// write runs in the only goroutine that writes to the connection, so that neither
// go-zookeeper nor a caller blocks on a connection that accepts no bytes.
func (t *transport) write() {
	for {
		select {
		case <-t.wake:
		case <-t.broken:
			return
		}
		t.mu.Lock()
		queue := t.queue
		t.queue = nil
		t.written = len(t.pending) // from now on the server may receive them
		opened := t.opened
		t.mu.Unlock()
		if opened {
			t.Conn.SetWriteDeadline(time.Now().Add(t.cc.recvTimeout()))
		}
		bufs := net.Buffers(queue)
		if _, err := bufs.WriteTo(t.Conn); err != nil {
			t.fail(err)
			return
		}
	}
}

// Read returns the next bytes for go-zookeeper.
func (t *transport) Read(p []byte) (int, error) {
	for len(t.leftover) == 0 {
		frame, err := t.frame()
		if err == nil && frame != nil { // nil if it was skipped
			t.leftover, err = t.deliver(frame)
		}
		if err != nil {
			t.fail(err)
			return 0, err
		}
	}
	n := copy(p, t.leftover)
	t.leftover = t.leftover[n:]
	return n, nil
}

// frame reads the next frame, with its length. It returns nil if the frame was skipped.
func (t *transport) frame() ([]byte, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(t.in, head); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head)
	tooLong := n > uint32(max(maxReply, t.cc.cfg.MaxBuffer))
	if tooLong && t.opened {
		return nil, t.skip(n)
	}
	if tooLong || t.opened && n < wire.ReplyHeaderLen {
		return nil, fmt.Errorf("session: server %s sent a frame of %d bytes", t.server, n)
	}
	if n <= 1<<20 {
		frame := make([]byte, 4+n)
		copy(frame, head)
		_, err := io.ReadFull(t.in, frame[4:])
		return frame, err
	}
	// The buffer grows with the bytes received, since the length may be wrong.
	body, err := io.ReadAll(io.LimitReader(t.in, int64(n)))
	if err == nil && len(body) < int(n) {
		err = io.ErrUnexpectedEOF
	}
	return append(head, body...), err
}

// skip discards a reply of n bytes, which is over the limit. Its call fails and is not
// repeated, since the next reply would be as long.
func (t *transport) skip(n uint32) error {
	head := make([]byte, wire.ReplyHeaderLen)
	if _, err := io.ReadFull(t.in, head); err != nil {
		return err
	}
	var h wire.ReplyHeader
	if err := wire.Unmarshal(head, &h); err != nil {
		return err
	}
	if _, err := io.CopyN(io.Discard, t.in, int64(n)-wire.ReplyHeaderLen); err != nil {
		return err
	}
	t.Conn.SetReadDeadline(time.Now().Add(t.cc.recvTimeout()))
	t.cc.noteReply(h.Zxid)
	c, err := t.answered(h.Xid)
	if err != nil {
		return err
	}
	c.Zxid, c.Code = h.Zxid, h.Err
	c.Err = fmt.Errorf("%w: %d bytes, and the limit is %d", ErrTooLarge, n, max(maxReply, t.cc.cfg.MaxBuffer))
	t.cc.finish(c, 4+int(n))
	return nil
}

var errExpiredHandshake = errors.New("session: the server no longer knows the session")

// deliver processes a frame. It returns the frame if it is for go-zookeeper.
func (t *transport) deliver(frame []byte) ([]byte, error) {
	body := frame[4:]
	if !t.opened {
		var resp wire.ConnectResponse
		if err := wire.Unmarshal(body, &resp); err != nil {
			return nil, err
		}
		if err := t.cc.attach(t, &resp); err != nil {
			return nil, err
		}
		return frame, nil
	}
	t.Conn.SetReadDeadline(time.Now().Add(t.cc.recvTimeout()))
	var h wire.ReplyHeader
	if err := wire.Unmarshal(body, &h); err != nil {
		return nil, err
	}
	t.cc.noteReply(h.Zxid)
	body = body[wire.ReplyHeaderLen:]
	switch {
	case (h.Xid == wire.XidPing || h.Xid >= 0) && h.Err == wire.CodeSASLRequired:
		return nil, ErrAuthRequired
	case h.Xid == wire.XidPing, h.Xid >= 0:
		t.mu.Lock()
		t.answers = true
		t.pump()
		t.mu.Unlock()
		return frame, nil
	case h.Xid == wire.XidNotification:
		var ev wire.WatcherEvent
		if err := wire.Unmarshal(body, &ev); err != nil {
			return nil, err
		}
		t.cc.watches.fire(ev)
		return nil, nil
	}
	c, err := t.answered(h.Xid)
	if err != nil {
		return nil, err
	}
	c.Zxid, c.Code = h.Zxid, h.Err
	var broken error
	if h.Err == wire.OK || c.Op == wire.OpMulti && len(body) > 0 {
		if broken = wire.Unmarshal(body, c.Reply); broken != nil {
			c.garbled(broken)
		}
	}
	switch {
	case broken != nil:
	case h.Err == wire.CodeSASLRequired: // the server ignores all later requests
		broken = ErrAuthRequired
	case c.Refused() && c.unsupported() && c.Op != wire.OpCreateTTL:
		broken = errOperationRefused
	}
	if broken != nil {
		t.fail(broken) // first, so that c is not sent again over this connection
	}
	t.cc.finish(c, len(frame))
	if broken == nil {
		broken = c.Err // set by restore for refused credentials
	}
	return nil, broken
}

// answered removes the call with the given xid from pending and returns it. It must be the
// oldest, since servers answer in order; only replies to auth may arrive earlier.
func (t *transport) answered(xid int32) (*Call, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, c := range t.pending {
		if i > 0 && xid != wire.XidAuth {
			break
		}
		if c.xid == xid {
			t.pending = slices.Delete(t.pending, i, i+1)
			t.written--
			c.Written = true
			t.answers = true
			if c == t.alone {
				t.alone = nil
			}
			c.Tries.suspect, c.Tries.closes = false, 0
			t.pump()
			return c, nil
		}
	}
	return nil, fmt.Errorf("session: server %s answered request %d out of order", t.server, xid)
}

// fail ends the transport and all its calls. Only the first call has an effect. Every call
// returns after the transport has ended, so that go-zookeeper does not dial again before.
func (t *transport) fail(reason error) { t.ending.Do(func() { t.end(reason) }) }

func (t *transport) end(reason error) {
	t.mu.Lock()
	t.reason = reason
	pending, written, waiting, alone := t.pending, t.written, t.waiting, t.alone
	suspicious := closedByServer(reason)
	t.pending, t.queue, t.waiting = nil, nil, nil
	close(t.broken)
	t.mu.Unlock()

	t.Conn.Close()
	t.cc.detach(t, reason)
	lost := fmt.Errorf("%w: %w", errConnectionLost, reason)
	for i, c := range append(pending, waiting...) {
		c.Written, c.Err = i < written, lost
		if suspicious && c.Written {
			c.closed(c == alone)
		}
		t.cc.finish(c, 0)
	}
}

// isBroken reports whether the transport has failed. detach is called after that.
func (t *transport) isBroken() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.reason != nil
}

// errOperationRefused is the reason of a broken connection on which the server did not know
// an operation: the server replies, reads no further and closes the connection. If a server
// is configured not to allow TTLs, it sends the same reply to a create with a TTL, but
// continues to serve the connection.
var errOperationRefused = errors.New("session: the server does not know an operation, and closes the connection")

var errConnectionLost = errors.New("session: connection lost")
