package zktest

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/channel"
	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	client "github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

// A Follower is a server of an in-process ensemble that lags behind its leader, the
// [Server]: it applies each transaction some time after the leader has committed it. Use
// it to test code that reads after a write of another session.
//
// Until the follower has applied a transaction,
//
//   - reads on its connections return the older state;
//   - watch events of the transaction are not sent to its clients;
//   - a write of one of its clients, which the leader has committed already, is not
//     answered, and neither are later requests on that connection;
//   - a sync is not answered. After a sync, a session reads everything that was
//     committed before it.
//
// As on a real server, a client that has seen a transaction that the follower has not
// applied is refused. Sessions, faults, partitions and the list of requests are shared
// by the whole ensemble. If a session ends, its connection to a follower is closed when
// the follower applies that.
type Follower struct {
	leader *Server
	name   string
	wake   chan struct{}

	// The leader's lock guards the rest.
	lag      time.Duration
	eager    bool // it catches up at once when one of its clients writes or syncs
	tree     *ztree.Tree
	watches  watches
	zxid     int64 // of the last applied transaction
	log      []logEntry
	received uint64 // number of entries added to log
	applied  uint64 // number of entries applied
	endpoint endpoint
}

// A logEntry is a transaction that a follower has not applied yet.
type logEntry struct {
	at    time.Time
	txn   *ztree.Txn       // without changes
	steps func(*ztree.Txn) // makes the changes; nil for none
}

// A deferredReply is a reply that must not be sent before the follower has applied a
// number of entries, or a request behind such a reply.
type deferredReply struct {
	applied uint64
	run     func()
}

// Follower adds a server to the ensemble that applies transactions lag after the leader
// has committed them, or at once if lag is 0. It stops, restarts and pauses with the
// leader.
func (s *Server) Follower(lag time.Duration) *Follower {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := &Follower{
		leader: s, name: fmt.Sprintf("follower-%d:2181", len(s.followers)+1), lag: lag,
		wake: make(chan struct{}, 1), tree: s.tree.Clone(), watches: newWatches(s.opts.old), zxid: s.zxid,
	}
	f.endpoint = endpoint{server: s, follower: f}
	s.followers = append(s.followers, f)
	if !s.done {
		s.wg.Go(f.follow)
	}
	return f
}

// SetLag changes the lag, also for transactions that the follower has not applied yet.
func (f *Follower) SetLag(lag time.Duration) {
	f.leader.mu.Lock()
	defer f.leader.mu.Unlock()
	f.lag = lag
	channel.Wake(f.wake)
}

// setEager makes the follower catch up at once when one of its clients writes or syncs.
// If all followers waited equally long, a write would be answered only when every
// follower had applied it, and no test would read an older state.
func (f *Follower) setEager() {
	f.leader.mu.Lock()
	defer f.leader.mu.Unlock()
	f.eager = true
}

// Name returns the address with which [Server.DialContext] and [Client.DialContext]
// connect to the follower. Use it in connect strings.
func (f *Follower) Name() string { return f.name }

// Addr returns the address of the follower's TCP listener. The first call opens the
// listener on a free port of 127.0.0.1.
func (f *Follower) Addr() string { return f.endpoint.address() }

// DialContext opens a connection to the follower in memory. It ignores the address.
func (f *Follower) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return f.leader.dial(ctx, network, addr, f, nil)
}

// Session connects a session to the follower in memory. It is closed when the test ends.
func (f *Follower) Session(t testing.TB, opts ...client.Option) *client.Session {
	t.Helper()
	return connectSession(t, f.name, append([]client.Option{client.WithDialer(f.DialContext)}, opts...))
}

// follow applies each entry when it is due.
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
		case <-f.leader.ctx.Done():
			return
		}
	}
}

// apply applies the first entry and sends the replies that have waited for it.
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

// runDeferred sends the replies that need not wait any longer.
func (c *conn) runDeferred() {
	for len(c.deferred) > 0 && c.deferred[0].applied <= c.follower.applied && !c.detached {
		run := c.deferred[0].run
		c.deferred = c.deferred[1:]
		run()
	}
}

// afterApplied calls run as soon as the connection's server has applied everything that
// is committed, and after the replies that already wait.
func (c *conn) afterApplied(run func()) {
	f := c.follower
	if f != nil && f.eager {
		for len(f.log) > 0 {
			f.apply()
		}
	}
	if f == nil || len(c.deferred) == 0 && f.applied == f.received {
		run()
		return
	}
	c.deferred = append(c.deferred, deferredReply{f.received, run})
}

// replicate sends a transaction to the followers. steps makes the same changes in a
// follower's tree; it is nil if there are none.
func (s *Server) replicate(t *ztree.Txn, steps func(*ztree.Txn)) {
	for _, f := range s.followers {
		f.log = append(f.log, logEntry{time.Now(), t.On(nil), steps})
		f.received++
		channel.Wake(f.wake)
	}
}

// reset removes all data from the follower.
func (f *Follower) reset() {
	f.tree, f.zxid, f.log, f.applied = ztree.New(), 0, nil, f.received
}

// tree returns the tree of the server to which the connection leads.
func (c *conn) tree() *ztree.Tree {
	if c.follower != nil {
		return c.follower.tree
	}
	return c.server.tree
}

// watches returns the watches of the server to which the connection leads.
func (c *conn) watches() *watches {
	if c.follower != nil {
		return &c.follower.watches
	}
	return &c.server.watches
}

// zxid returns the last zxid of the server to which the connection leads.
func (c *conn) zxid() int64 {
	if c.follower != nil {
		return c.follower.zxid
	}
	return c.server.zxid
}

// sessionEnded reports whether the session has ended, which the client may not know yet.
func (c *conn) sessionEnded() bool {
	return c.session != nil && c.server.sessions[c.id] != c.session
}

// isForwarded reports whether a follower sends the request to the leader at once, even
// if earlier requests have not been answered.
func isForwarded(q *call) bool {
	return !q.malformed && (isWrite(q.hdr.Op) || q.hdr.Op == wire.OpMulti || q.hdr.Op == wire.OpSync || q.hdr.Op == wire.OpClose)
}
