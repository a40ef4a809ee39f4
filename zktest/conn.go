package zktest

import (
	"bufio"
	"encoding/binary"
	"net"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/channel"
	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

// lingerTimeout is how long a TCP connection that the server closes stays half open, so
// that the client can read the last replies.
const lingerTimeout = time.Second

// A conn is one client's connection. One goroutine reads from it and one writes to it.
// outMu guards the output; the server's lock guards the rest.
type conn struct {
	server   *Server
	follower *Follower       // to which the connection leads; nil for the leader
	client   *Client         // that dialed it, if known
	deferred []deferredReply // replies that wait for the follower
	nc       net.Conn
	ids      []ztree.AuthID

	session *session      // nil before the handshake and after the session's end
	id      int64         // of the session, also after its end
	timeout time.Duration // as negotiated on this connection

	handshakeDone  bool // the handshake has been answered
	detached       bool // the server has closed it
	corruptReplies bool // invert the bits of replies
	dropReplies    bool // do not send replies: the connection is about to be closed
	hung           bool // by Hang; never reset
	partitions     int  // number of partitions that cut it off
	isolated       int  // number of calls of Isolate in force
	writePending   bool // isolated, and an unanswered write or sync blocks all later requests

	established      time.Time
	received, sent   int64
	last             lastRequest
	writeFailed      bool   // the current request is a write that failed
	lastNotification uint64 // number of the last event for which it was notified

	outMu   sync.Mutex
	out     wire.Codec
	closing bool          // close after out has been written
	wake    chan struct{} // out or closing has changed
	drained chan struct{} // out has been emptied
}

// maxUnread is how many bytes may wait for a client to read them. While there are more,
// the server does not read the client's requests.
const maxUnread = 16 << 20

func newConn(s *Server, nc net.Conn) *conn {
	host := "127.0.0.1"
	if addr, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		host = addr.IP.String()
	}
	return &conn{
		server: s, nc: nc, established: time.Now(), last: noRequest, ids: []ztree.AuthID{{Scheme: "ip", ID: host}},
		wake: make(chan struct{}, 1), drained: make(chan struct{}, 1),
	}
}

// silent reports whether nothing is received or sent.
func (c *conn) silent() bool { return c.hung || c.partitions > 0 }

func (c *conn) read() {
	defer c.server.forget(c)
	handshake := &handshakeReader{conn: c}
	r := bufio.NewReader(handshake)
	head := make([]byte, 4)
	for {
		if _, err := readFull(r, head); err != nil {
			return
		}
		c.waitForReader()
		n := int32(binary.BigEndian.Uint32(head))
		if c.server.fourLetterWord(c, head, r) {
			continue
		}
		if n < 0 || int(n) > c.server.opts.maxBuffer {
			return
		}
		frame, err := readFrame(r, int(n))
		handshake.finish()
		if err != nil || !c.server.receive(c, frame) {
			return
		}
	}
}

func (c *conn) write() {
	var buf []byte
	for range c.wake {
		c.outMu.Lock()
		buf, c.out.Buf = c.out.Buf, buf[:0]
		closing := c.closing
		c.outMu.Unlock()
		channel.Wake(c.drained)
		if len(buf) > 0 {
			if _, err := c.nc.Write(buf); err != nil {
				c.nc.Close() // the reader ends, and then this goroutine
			}
		}
		if closing {
			c.closeAfterPeer()
			return
		}
		if cap(buf) > 1<<16 {
			buf = nil
		}
	}
}

// waitForReader blocks while more than maxUnread bytes wait for the client.
func (c *conn) waitForReader() {
	for {
		c.outMu.Lock()
		full := len(c.out.Buf) > maxUnread && !c.closing
		c.outMu.Unlock()
		if !full {
			return
		}
		<-c.drained
	}
}

// closeAfterPeer closes the connection so that the client gets what was written. Closing
// a TCP connection with unread bytes would reset it, and the client would lose data.
func (c *conn) closeAfterPeer() {
	tcp, ok := c.nc.(*net.TCPConn)
	if !ok || tcp.CloseWrite() != nil {
		c.nc.Close()
		return
	}
	tcp.SetReadDeadline(time.Now().Add(lingerTimeout))
}

// send queues one frame.
func (c *conn) send(records ...wire.Record) {
	if c.dropReplies || c.detached || c.silent() {
		return
	}
	c.sent++
	c.server.sent++
	c.outMu.Lock()
	at := len(c.out.Buf)
	c.out.Buf = append(c.out.Buf, 0, 0, 0, 0) // the length
	for _, r := range records {
		r.Fields(&c.out)
	}
	if hdr, ok := records[0].(*wire.ReplyHeader); c.corruptReplies && (!ok || hdr.Xid != wire.XidNotification) {
		for i := at + 8; i < len(c.out.Buf); i++ {
			c.out.Buf[i] = ^c.out.Buf[i]
		}
	}
	binary.BigEndian.PutUint32(c.out.Buf[at:], uint32(len(c.out.Buf)-at-4))
	c.outMu.Unlock()
	channel.Wake(c.wake)
}

// closeAfterFlush closes the connection after the queued frames have been written.
func (c *conn) closeAfterFlush() {
	c.outMu.Lock()
	c.closing = true
	c.outMu.Unlock()
	channel.Wake(c.wake)
}

// closeNow closes the connection at once.
func (c *conn) closeNow() {
	c.closeAfterFlush()
	c.nc.Close()
}

// notify sends a watch event, if the client may read the node. The events of ZooKeeper
// 3.8 carry no zxid.
func (c *conn) notify(path string, event int32, acl []wire.ACL, zxid int64) {
	if c.server.opts.old {
		zxid = noZxid
	}
	if c.isolated > 0 || !ztree.Permitted(acl, wire.PermRead, c.ids) {
		return
	}
	c.send(&wire.ReplyHeader{Xid: wire.XidNotification, Zxid: zxid},
		&wire.WatcherEvent{Type: event, State: wire.StateConnected, Path: path})
}
