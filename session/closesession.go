package session

import (
	"context"
	"net"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// closeRetired cleans up after an ended epoch. It stops go-zookeeper's goroutines, and if
// the servers may still keep the ZooKeeper session, it closes that session, so that its
// nodes are deleted before the session expires.
func (e *Epoch) closeRetired() {
	l := e.link
	l.mu.Lock()
	t, id, passwd, abandoned := l.current, l.id, l.passwd, e.abandoned
	l.mu.Unlock()
	done := false
	if abandoned && t != nil {
		done = e.closeOverTransport(t)
	}
	l.shutdown()
	if abandoned && !done {
		e.session.reattachToClose(id, passwd)
	}
}

// closeOverTransport closes the ZooKeeper session over its present connection and reports
// whether the server confirmed it. After a local loss the server often does not answer.
func (e *Epoch) closeOverTransport(t *transport) bool {
	c := newCall(wire.OpClose, "", &wire.Empty{}, &wire.Empty{})
	if !t.send(c) {
		return false
	}
	ctx, cancel := context.WithTimeout(e.session.ctx, e.session.opts.connectTimeout)
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
	return c.err == nil && c.code == wire.OK
}

// closeGrace is how long Close waits for a server at least.
const closeGrace = 50 * time.Millisecond

// reattachToClose resumes a ZooKeeper session on any server and closes it. It retries until
// a server has closed the session or no longer knows it.
func (s *Session) reattachToClose(id int64, passwd []byte) {
	rounds := 0
	r := newServerCycle(s.opts, s.servers)
	for r.begin(); s.ctx.Err() == nil; {
		if s.closeAt(r, id, passwd) == nil {
			s.opts.log.Info("zookeeper: old session closed", "session", id, "server", r.last.label)
			return
		}
		if r.over() {
			rounds++
			backoff.Sleep(s.opts.backoff(rounds), s.ctx)
			r.begin()
		}
	}
}

// closeAt closes a ZooKeeper session on the next server of the round.
func (s *Session) closeAt(r *serverCycle, id int64, passwd []byte) error {
	ctx, cancel := context.WithTimeout(s.ctx, s.opts.connectTimeout)
	defer cancel()
	to, err := r.next(ctx)
	if err != nil {
		return err
	}
	conn, err := dial(ctx, s.opts, to)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })()

	var resp wire.ConnectResponse
	req := &wire.ConnectRequest{SessionID: id, Passwd: passwd, Timeout: int32(s.opts.timeout.Milliseconds()), HasReadOnly: true}
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
