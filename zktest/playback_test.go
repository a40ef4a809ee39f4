package zktest_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// scriptClients is the number of clients in a script.
const scriptClients = 3

// superDigest is the digest of superPassword. Every server under comparison has it, so that
// the nodes of a script can be deleted.
const (
	superDigest   = "super:xQJmxLMiHGwaqBvst5y6rkB6HQs="
	superPassword = "super:admin"
)

// A playback runs a script on one server and records the replies and events that its clients
// receive, in order. Times and ids are removed from them, and zxids are relative.
type playback struct {
	addr     string
	admin    *scriptClient
	clients  [scriptClients]*scriptClient
	owners   []int64
	base     int64
	received [scriptClients][]string
}

// A scriptClient is a client with one session at a time.
type scriptClient struct {
	nc      net.Conn
	session wire.ConnectResponse
	xid     int32
	seen    int64 // the last zxid seen
	sent    []sent
}

type sent struct {
	xid int32
	st  step
}

const playbackTimeout = time.Minute

func (a *scriptClient) connect(addr string, req wire.ConnectRequest) error {
	nc, err := net.DialTimeout("tcp", addr, playbackTimeout)
	if err != nil {
		return err
	}
	a.nc, a.sent = nc, nil
	if _, err := nc.Write(wire.Frame(&req)); err != nil {
		return err
	}
	b, err := a.frame()
	if err != nil {
		return err
	}
	a.session = wire.ConnectResponse{}
	return wire.Unmarshal(b, &a.session)
}

func (a *scriptClient) frame() ([]byte, error) {
	a.nc.SetReadDeadline(time.Now().Add(playbackTimeout))
	head := make([]byte, 4)
	if _, err := io.ReadFull(a.nc, head); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(head))
	_, err := io.ReadFull(a.nc, b)
	return b, err
}

func (a *scriptClient) send(st step) error {
	a.xid++
	a.sent = append(a.sent, sent{a.xid, st})
	_, err := a.nc.Write(wire.Frame(&wire.RequestHeader{Xid: a.xid, Op: st.op()}, st.body(a.seen)))
	return err
}

// call sends a request that is not part of the script and returns its reply.
func (a *scriptClient) call(st step, reply wire.Record) (wire.ReplyHeader, error) {
	var hdr wire.ReplyHeader
	if err := a.send(st); err != nil {
		return hdr, err
	}
	for a.sent = nil; ; {
		b, err := a.frame()
		if err != nil {
			return hdr, err
		}
		if err := wire.Unmarshal(b, &hdr); err != nil {
			return hdr, err
		}
		if hdr.Xid == a.xid {
			if hdr.Err == wire.OK {
				err = wire.Unmarshal(b[wire.ReplyHeaderLen:], reply)
			}
			return hdr, err
		}
	}
}

// playScript runs a script on a server without other clients.
func playScript(addr string, script []step) (received [scriptClients][]string, err error) {
	p := &playback{addr: addr, admin: &scriptClient{}}
	if err := p.setUp(); err != nil {
		return received, err
	}
	for i := 0; i < len(script); {
		n := segment(script[i:])
		if err := p.play(script[i : i+n]); err != nil {
			return p.received, fmt.Errorf("step %d %v: %w", i, script[i], err)
		}
		i += n
	}
	for i := range p.clients {
		if err := p.play([]step{{Client: i, Do: "exists", Path: "/d"}}); err != nil {
			return p.received, err
		}
	}
	return p.received, p.closeSessions()
}

// segment returns how many steps can be pipelined: those of one client, up to a barrier.
func segment(script []step) int {
	for i, st := range script {
		if st.Client != script[0].Client {
			return i
		}
		if st.isBarrier() {
			return max(i, 1)
		}
	}
	return len(script)
}

func (p *playback) setUp() error {
	hello := wire.ConnectRequest{Timeout: 30000, Passwd: make([]byte, 16), HasReadOnly: true}
	if err := p.admin.connect(p.addr, hello); err != nil {
		return err
	}
	if _, err := p.admin.call(step{Do: "auth", Scheme: "digest", Data: superPassword}, &wire.Empty{}); err != nil {
		return err
	}
	for _, path := range []string{"/d", "/zookeeper/quota/d"} {
		if err := p.deleteTree(path); err != nil {
			return err
		}
	}
	for i := range p.clients {
		p.clients[i] = &scriptClient{}
		if err := p.open(i); err != nil {
			return err
		}
	}
	hdr, err := p.admin.call(step{Do: "create", Path: "/d", Data: "d", ACL: openWorld}, &wire.Empty{})
	p.base = hdr.Zxid
	return err
}

const openWorld = "31:world:anyone"

func (p *playback) open(i int) error {
	a := p.clients[i]
	err := a.connect(p.addr, wire.ConnectRequest{Timeout: 30000, Passwd: make([]byte, 16), HasReadOnly: true})
	p.owners = append(p.owners, a.session.SessionID)
	return err
}

func (p *playback) deleteTree(path string) error {
	var r wire.ChildrenResponse
	hdr, err := p.admin.call(step{Do: "getChildren2", Path: path}, &r)
	if err != nil || hdr.Err == wire.CodeNoNode {
		return err
	}
	for _, child := range r.Children {
		if err := p.deleteTree(path + "/" + child); err != nil {
			return err
		}
	}
	if hdr, err = p.admin.call(step{Do: "delete", Path: path, Version: -1}, &wire.Empty{}); err == nil && hdr.Err != wire.OK {
		err = fmt.Errorf("sweep %s: %v", path, hdr.Err)
	}
	return err
}

// closeSessions closes all sessions.
func (p *playback) closeSessions() error {
	for _, a := range append(p.clients[:], p.admin) {
		if _, err := a.call(step{Do: "closeSession"}, &wire.Empty{}); err != nil {
			return err
		}
		a.nc.Close()
	}
	return nil
}

func (p *playback) play(steps []step) error {
	a := p.clients[steps[0].Client]
	if st := steps[0]; st.onSession() {
		return p.playOnSession(a, st)
	}
	for _, st := range steps {
		if err := a.send(st); err != nil {
			return err
		}
	}
	return p.readReplies(a, steps[0].Client)
}

// readReplies reads until all requests have been answered.
func (p *playback) readReplies(a *scriptClient, i int) error {
	for len(a.sent) > 0 {
		b, err := a.frame()
		if errors.Is(err, io.EOF) {
			p.received[i] = append(p.received[i], "closed")
			return p.resume(i)
		}
		if err != nil {
			return err
		}
		p.record(a, i, b)
	}
	return nil
}

func (p *playback) record(a *scriptClient, i int, b []byte) {
	var hdr wire.ReplyHeader
	if err := wire.Unmarshal(b, &hdr); err != nil {
		p.received[i] = append(p.received[i], fmt.Sprintf("%v: % x", err, b))
		return
	}
	var st step
	if len(a.sent) > 0 && a.sent[0].xid == hdr.Xid {
		st, a.sent = a.sent[0].st, a.sent[1:]
	}
	p.received[i] = append(p.received[i], p.format(st, hdr, b[wire.ReplyHeaderLen:]))
	a.seen = max(a.seen, hdr.Zxid)
	if hdr.Err == wire.CodeUnimplemented || hdr.Err == wire.CodeAuthFailed { // and the connection is closed
		a.sent = append(a.sent, sent{})
	}
}

// resume resumes a session whose connection the server has closed.
func (p *playback) resume(i int) error {
	a := p.clients[i]
	a.nc.Close()
	if err := a.connect(p.addr, wire.ConnectRequest{LastZxidSeen: a.seen, Timeout: 30000, SessionID: a.session.SessionID, Passwd: a.session.Passwd}); err != nil {
		return err
	}
	p.received[i] = append(p.received[i], fmt.Sprint("resumed ", a.session.Timeout, slices.Index(p.owners, a.session.SessionID)))
	if a.session.SessionID == 0 {
		return p.open(i)
	}
	return nil
}

func (p *playback) playOnSession(a *scriptClient, st step) error {
	i := st.Client
	// Receive the pending events first.
	if err := p.play([]step{{Client: i, Do: "exists", Path: "/d"}}); err != nil {
		return err
	}
	switch st.Do {
	case doRenew:
		if err := a.send(step{Do: "closeSession"}); err != nil {
			return err
		}
		for len(a.sent) > 0 {
			b, err := a.frame()
			if err != nil {
				return err
			}
			p.record(a, i, b)
		}
		a.nc.Close()
		return p.open(i)
	case doReconnect:
		return p.resume(i)
	case doMove:
		// A real server closes the old connection, unless it has not noticed the end
		// of the previous one yet.
		old := a.nc
		defer old.Close()
		a.nc = nopCloser{old}
		return p.resume(i)
	case doExpire:
		before, err := zxidOf(p.addr)
		if err != nil {
			return err
		}
		a.nc.Close()
		// The shorter timeout applies to the resumed session.
		if err := a.connect(p.addr, wire.ConnectRequest{LastZxidSeen: a.seen, Timeout: 1, SessionID: a.session.SessionID, Passwd: a.session.Passwd}); err != nil {
			return err
		}
		a.nc.Close()
		if err := p.awaitExpiry(before); err != nil {
			return err
		}
		// The server closes connections that resume the session while it is ending.
		err = p.resume(i)
		for end := time.Now().Add(playbackTimeout); errors.Is(err, io.EOF) && time.Now().Before(end); {
			err = p.resume(i)
		}
		return err
	}
	return nil
}

type nopCloser struct{ net.Conn }

func (nopCloser) Close() error { return nil }

// awaitExpiry polls the server until its zxid has changed, which is caused by the end of the
// session.
func (p *playback) awaitExpiry(before string) error {
	for range 10000 {
		now, err := zxidOf(p.addr)
		if err != nil || now != before {
			return err
		}
	}
	return errors.New("a session does not expire")
}

func zxidOf(addr string) (string, error) {
	answer, err := word(addr, "srvr")
	_, rest, ok := strings.Cut(answer, "Zxid: ")
	if err == nil && !ok {
		err = fmt.Errorf("srvr: %q", answer)
	}
	zxid, _, _ := strings.Cut(rest, "\n")
	return zxid, err
}

// word sends a four-letter word and returns the answer.
func word(addr, word string) (string, error) {
	nc, err := net.DialTimeout("tcp", addr, playbackTimeout)
	if err != nil {
		return "", err
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(playbackTimeout))
	if _, err := io.WriteString(nc, word); err != nil {
		return "", err
	}
	b, err := io.ReadAll(nc)
	return string(b), err
}
