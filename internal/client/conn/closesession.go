package conn

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// closeRetired cleans up after a ZooKeeper session has ended. It stops go-zookeeper's
// goroutines, and if the servers may still keep the session, it closes that session, so
// that its nodes are deleted before it expires.
func (cc *Conn) closeRetired() {
	cc.mu.Lock()
	t, id, passwd, abandoned := cc.current, cc.id, cc.passwd, cc.abandoned
	cc.mu.Unlock()
	done := false
	if abandoned && t != nil {
		done = cc.closeOverTransport(t)
	}
	cc.shutdown()
	if abandoned && !done {
		cc.connector.reattachToClose(id, passwd)
	}
}

// closeOverTransport closes the ZooKeeper session over its present connection and reports
// whether the server confirmed it. After a local loss the server often does not answer.
func (cc *Conn) closeOverTransport(t *transport) bool {
	c := NewCall(wire.OpClose, "", &wire.Empty{}, &wire.Empty{})
	if !t.send(c) {
		return false
	}
	ctx, cancel := context.WithTimeout(cc.connector.ctx, cc.cfg.ConnectTimeout)
	defer cancel()
	select {
	case <-c.done:
	case <-ctx.Done():
		// Even if the caller of Close does not wait, the server gets a moment to answer, so
		// that other clients need not wait for the session to expire.
		select {
		case <-c.done:
		case <-time.After(closeGrace):
			return false
		}
	}
	return c.Err == nil && c.Code == wire.OK
}

// closeGrace is the minimal time that Close waits for a server.
const closeGrace = 50 * time.Millisecond

// reattachToClose resumes a ZooKeeper session on any server and closes it. It retries until
// a server has closed the session or no longer knows it, or until cr.ctx is done.
func (cr *Connector) reattachToClose(id int64, passwd []byte) {
	cycles := 0
	r := newServerCycle(&cr.cfg)
	for r.begin(); cr.ctx.Err() == nil; {
		if cr.closeAt(r, id, passwd) == nil {
			cr.cfg.Log.Info("zookeeper: old session closed", "session", fmt.Sprintf("0x%x", id), "server", r.last.label)
			return
		}
		if r.over() {
			cycles++
			backoff.Sleep(cr.cfg.Backoff(cycles), cr.ctx)
			r.begin()
		}
	}
}

// closeAt closes a ZooKeeper session on the next server of the cycle.
func (cr *Connector) closeAt(r *serverCycle, id int64, passwd []byte) error {
	ctx, cancel := context.WithTimeout(cr.ctx, cr.cfg.ConnectTimeout)
	defer cancel()
	to, err := r.next(ctx)
	if err != nil {
		return err
	}
	conn, err := cr.cfg.dial(ctx, to)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()

	var resp wire.ConnectResponse
	req := &wire.ConnectRequest{SessionID: id, Passwd: passwd, Timeout: int32(cr.cfg.Timeout.Milliseconds()), HasReadOnly: true}
	if err := roundTrip(conn, &resp, req); err != nil {
		return err
	}
	if resp.Timeout <= 0 {
		return nil // the session has already ended
	}
	return roundTrip(conn, &wire.ReplyHeader{}, &wire.RequestHeader{Xid: 1, Op: wire.OpClose})
}

// roundTrip sends a request and decodes the next frame as its reply.
func roundTrip(conn net.Conn, reply wire.Record, request ...wire.Record) error {
	if _, err := conn.Write(wire.Frame(request...)); err != nil {
		return err
	}
	frame, err := readFrame(conn)
	if err != nil {
		return err
	}
	return wire.Unmarshal(frame, reply)
}
