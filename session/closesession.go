package session

import (
	"context"
	"net"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// closeRetired puts an ended epoch to rest: go-zookeeper's goroutines go, and if a
// server may still hold the ZooKeeper session, it is told to close it, so that
// nobody waits for its nodes.
func (e *Epoch) closeRetired() {
	l := e.link
	l.mu.Lock()
	t, id, passwd, abandoned := l.current, l.id, l.passwd, e.abandoned
	l.mu.Unlock()
	told := false
	if abandoned && t != nil {
		told = e.closeOverTransport(t)
	}
	l.shutdown()
	if abandoned && !told {
		e.session.reattachToClose(id, passwd)
	}
}

// closeOverTransport closes the session over the connection that it has. After a local
// loss that is often one to a server that answers nothing any more.
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
		// A caller in a hurry must not cost others the session's timeout.
		select {
		case <-c.done:
		case <-time.After(closeGrace):
			return false
		}
	}
	return c.err == nil && c.code == wire.OK
}

// closeGrace is how long Close waits for a server at the least.
const closeGrace = 50 * time.Millisecond

// reattachToClose resumes a session on whichever server answers, only to close
// it. It goes on until a server has closed the session or no longer knows it.
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

// closeAt closes a session at the next server of the round.
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
		return nil // it is gone already
	}
	return roundTrip(conn, &wire.ReplyHeader{}, &wire.RequestHeader{Xid: 1, Op: wire.OpClose})
}

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
