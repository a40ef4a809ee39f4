package zktest

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	client "github.com/zkrecipes/zkrecipes/session"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

// A Follower is another server of an in-process ensemble, which lags behind the
// [Server] that leads it: it applies each transaction some time after the leader
// has committed it. Until then
//
//   - reads on its connections are answered from the older state;
//   - watch events of the transaction are not sent to them;
//   - a write on one of them, which the leader has committed already, is not
//     answered, and neither are the requests that follow it on the connection;
//   - a sync is not answered: after it a session reads all that was committed
//     before it.
//
// A client that has seen a later transaction than the follower has applied is
// turned away, as by a real server. Sessions, faults, partitions and the record of
// requests are those of the whole ensemble. The end of a session reaches its
// connection here when it is applied.
type Follower struct {
	leader *Server
	name   string
	wake   chan struct{}

	// The leader's lock guards the rest.
	lag      time.Duration
	eager    bool // its own clients' writes and syncs make it catch up at once
	tree     *ztree.Tree
	watches  watches
	zxid     int64 // the last that it has applied
	log      []logEntry
	received uint64 // entries so far
	applied  uint64
	listener net.Listener
	addr     string
}

// An entry is a transaction that a follower has not applied yet.
type logEntry struct {
	at    time.Time
	txn   *ztree.Txn       // as it began on the leader
	steps func(*ztree.Txn) // what it changes; nil for nothing
}

// A turn is what a connection to a follower has to wait for: an answer that may
// not go out before the follower has applied so many entries, or a request
// behind such an answer.
type deferredReply struct {
	applied uint64
	do      func()
}

// Follower adds a server that lags behind by this time, and behind which clients
// see the same ensemble. With a lag of zero it applies transactions as soon as it
// gets them. A Follower stops, restarts and pauses with its leader.
func (s *Server) Follower(lag time.Duration) *Follower {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &Follower{
		leader: s, name: fmt.Sprintf("follower-%d:2181", len(s.followers)+1), lag: lag,
		wake: make(chan struct{}, 1), tree: s.tree.Clone(), watches: newWatches(s.opts.old), zxid: s.zxid,
	}
	s.followers = append(s.followers, f)
	if !s.done {
		s.wg.Go(f.follow)
	}
	return f
}

// SetLag changes by how much the follower lags behind. A shorter lag holds for
// what it has not applied yet, too.
func (f *Follower) SetLag(lag time.Duration) {
	f.leader.mu.Lock()
	defer f.leader.mu.Unlock()
	f.lag = lag
	f.wakeUp()
}

// setEager makes the follower catch up at once when a client of its own writes or
// syncs. If all followers waited equally long, a write would be answered only when
// all of them had it, and no test would read an older state.
func (f *Follower) setEager() {
	f.leader.mu.Lock()
	defer f.leader.mu.Unlock()
	f.eager = true
}

// Name is the address by which [Server.DialContext] and [Client.DialContext]
// connect to the follower, to be used in connect strings.
func (f *Follower) Name() string { return f.name }

// Addr is the address of the follower's TCP listener, which the first call opens on
// a free port of 127.0.0.1.
func (f *Follower) Addr() string {
	s := f.leader
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.addr == "" && !s.done {
		if err := f.listen("127.0.0.1:0"); err != nil {
			panic("zktest: no free port on 127.0.0.1: " + err.Error())
		}
		if s.stopped {
			f.closeListener()
		}
	}
	return f.addr
}

func (f *Follower) listen(addr string) (err error) {
	f.listener, err = f.leader.accept(addr, f)
	if err == nil {
		f.addr = f.listener.Addr().String()
	}
	return err
}

func (f *Follower) closeListener() {
	if f.listener != nil {
		f.listener.Close()
		f.listener = nil
	}
}

// DialContext opens a connection to the follower in memory, whatever the address.
func (f *Follower) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return f.leader.dial(ctx, network, addr, f, nil)
}

// Session connects to the follower in memory, and closes the session with the
// test.
func (f *Follower) Session(t testing.TB, opts ...client.Option) *client.Session {
	t.Helper()
	return connectSession(t, f.name, append([]client.Option{client.WithDialer(f.DialContext)}, opts...))
}

// follow applies entries when they are due.
func (f *Follower) follow() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		f.leader.waitWhilePaused()
		f.leader.mu.Lock()
		for len(f.log) > 0 && time.Since(f.log[0].at) >= f.lag {
			f.apply()
		}
		due := timer.C
		if len(f.log) > 0 {
			timer.Reset(time.Until(f.log[0].at.Add(f.lag)))
		} else {
			due = nil
		}
		f.leader.mu.Unlock()
		select {
		case <-due:
		case <-f.wake:
		case <-f.leader.closed:
			return
		}
	}
}

func (f *Follower) wakeUp() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// apply applies the first entry and answers what has waited for it.
func (f *Follower) apply() {
	e := f.log[0]
	f.log = f.log[1:]
	f.applied++
	f.zxid = max(f.zxid, e.txn.Zxid)
	if e.steps != nil {
		t := e.txn.On(f.tree)
		e.steps(t)
		f.watches.fire(t.Triggers(), t.Zxid)
	}
	for c := range f.leader.conns {
		if c.follower == f {
			c.runDeferred()
		}
	}
}

// runDeferred answers what need not wait any longer.
func (c *conn) runDeferred() {
	for len(c.deferred) > 0 && c.deferred[0].applied <= c.follower.applied && !c.detached {
		do := c.deferred[0].do
		c.deferred = c.deferred[1:]
		do()
	}
}

// afterApplied does something as soon as the server of the connection has applied all
// that is committed, and after what already waits for that.
func (c *conn) afterApplied(do func()) {
	f := c.follower
	if f != nil && f.eager {
		for len(f.log) > 0 {
			f.apply()
		}
	}
	if f == nil || len(c.deferred) == 0 && f.applied == f.received {
		do()
		return
	}
	c.deferred = append(c.deferred, deferredReply{f.received, do})
}

// replicate sends a transaction to the followers. steps does to a follower's tree
// what was done to the leader's; nil stands for nothing.
func (s *Server) replicate(t *ztree.Txn, steps func(*ztree.Txn)) {
	for _, f := range s.followers {
		f.log = append(f.log, logEntry{time.Now(), t.On(nil), steps})
		f.received++
		f.wakeUp()
	}
}

// reset takes all data from the follower.
func (f *Follower) reset() {
	f.tree, f.zxid, f.log, f.applied = ztree.New(), 0, nil, f.received
}

// tree is the data that reads of the connection are answered from.
func (c *conn) tree() *ztree.Tree {
	if c.follower != nil {
		return c.follower.tree
	}
	return c.server.tree
}

// watches are those of the server that the connection leads to.
func (c *conn) watches() *watches {
	if c.follower != nil {
		return &c.follower.watches
	}
	return &c.server.watches
}

// zxid is the last transaction of the server that the connection leads to.
func (c *conn) zxid() int64 {
	if c.follower != nil {
		return c.follower.zxid
	}
	return c.server.zxid
}

// sessionEnded says whether the session has ended, of which the client may not know.
func (c *conn) sessionEnded() bool {
	return c.session != nil && c.server.sessions[c.id] != c.session
}

// isForwarded says whether a follower sends the operation to the leader at once,
// even if earlier ones are not answered.
func isForwarded(q *call) bool {
	return !q.malformed && (isWrite(q.hdr.Op) || q.hdr.Op == wire.OpMulti || q.hdr.Op == wire.OpSync || q.hdr.Op == wire.OpClose)
}
