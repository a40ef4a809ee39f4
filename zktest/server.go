package zktest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/channel"
	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest/internal/mempipe"
	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

// A Server is a ZooKeeper server in this process. Tests create it with [New], programs
// with [Start].
//
// Its methods are safe for concurrent use.
type Server struct {
	opts      options
	startTime time.Time
	ctx       context.Context // done when the server is closed
	cancel    context.CancelFunc
	clockWake chan struct{}
	faultSem  chan struct{} // held while the fault functions run
	hasFaults atomic.Bool   // faults is not empty
	isPaused  atomic.Bool   // paused is not nil
	wg        sync.WaitGroup

	mu           sync.Mutex
	tree         *ztree.Tree
	watches      watches
	sessions     map[int64]*session
	nextSession  int64
	secret       uint64 // from which passwords are computed
	expiry       expiry
	zxid         int64
	conns        map[*conn]struct{}
	partitions   map[*partition]struct{}
	followers    []*Follower
	faults       []*func(Request) decision
	requests     []Request
	requestCount int
	received     int64 // requests since the start or the last srst
	sent         int64 // replies and events
	traceMask    int64 // of gtmk and stmk
	stopped      bool
	paused       chan struct{} // closed at the end of the pause; nil if the server is not paused
	clockOffset  time.Duration // added to the times of nodes
	done         bool
	nextWake     time.Time // when the clock goroutine wakes up next; zero for never
	reapAt       time.Time // when it checks for containers next; zero if there are none

	saving       sync.Mutex // locked before mu while the file is written
	savedZxid    int64      // the zxid in the file
	savedRunning bool       // the file says that the server is running

	endpoint endpoint
}

// New starts an empty server and closes it when the test ends. It opens no port before
// Addr is called.
func New(t testing.TB, opts ...Option) *Server {
	t.Helper()
	s, err := Start(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Start starts an empty server, which the caller must close. Tests call New.
func Start(opts ...Option) (*Server, error) {
	o := defaults()
	for _, opt := range opts {
		opt.applyServer(&o)
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	now := time.Now()
	s := &Server{
		opts: o, startTime: now,
		clockWake: make(chan struct{}, 1), faultSem: make(chan struct{}, 1),
		tree:        ztree.New(),
		watches:     newWatches(o.old),
		sessions:    make(map[int64]*session),
		nextSession: firstSessionID(now),
		traceMask:   defaultTraceMask,
		secret:      rand.Uint64(),
		expiry:      expiry{tick: o.tick, start: now, buckets: make(map[int64]map[*session]struct{})},
		conns:       make(map[*conn]struct{}),
		partitions:  make(map[*partition]struct{}),
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.endpoint.server = s
	if o.file != "" {
		if err := s.load(o.file); err != nil {
			return nil, err
		}
		s.savedZxid = -1 // so that the file says that a server is running
		if err := s.save(true); err != nil {
			return nil, fmt.Errorf("zktest: %w", err)
		}
		s.wg.Go(s.saveLoop)
	}
	if o.listen != "" {
		if err := s.endpoint.listen(o.listen); err != nil {
			s.cancel()
			s.wg.Wait()
			return nil, err
		}
	}
	s.wg.Go(s.clock)
	return s, nil
}

// Addr returns the address of the server's TCP listener. The first call opens the
// listener, unless WithAddr did. The address stays the same across Stop and Restart.
func (s *Server) Addr() string { return s.endpoint.address() }

// DialContext opens a connection in memory. Use it in testing/synctest bubbles, where
// time advances only while server and clients wait.
//
// If addr is the name of a [Follower], the connection leads to it, otherwise to the
// server itself.
func (s *Server) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return s.dial(ctx, network, addr, s.named(addr), nil)
}

// named returns the follower of that name, or nil.
func (s *Server) named(addr string) *Follower {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.followers {
		if f.name == addr {
			return f
		}
	}
	return nil
}

func (s *Server) dial(ctx context.Context, network, addr string, f *Follower, from *Client) (net.Conn, error) {
	err := ctx.Err()
	client, server := mempipe.New("client", mempipe.Addr(addr))
	if err == nil {
		err = s.attach(server, f, from)
	}
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: mempipe.Addr(addr), Err: err}
	}
	return client, nil
}

var errRefused = errors.Join(errors.New("zktest: server is stopped"), syscall.ECONNREFUSED)

func (s *Server) attach(nc net.Conn, f *Follower, from *Client) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || s.done {
		return errRefused
	}
	c := newConn(s, nc)
	c.follower, c.client = f, from
	s.conns[c] = struct{}{}
	s.applyPartitions(c, 0)
	s.wg.Go(c.read)
	s.wg.Go(c.write)
	return nil
}

// forget removes a connection that the client has closed.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	s.detach(c)
	delete(s.conns, c)
	s.mu.Unlock()
	c.closeNow()
}

// cut closes a connection after what was sent on it has been written.
func (s *Server) cut(c *conn) {
	s.detach(c)
	c.closeAfterFlush()
}

func (s *Server) detach(c *conn) {
	c.detached = true
	c.deferred = nil
	c.watches().drop(c)
	if c.session != nil && c.session.conn == c {
		c.session.conn = nil
	}
}

// Stop closes all connections and makes the server refuse new ones until Restart. The
// server keeps its nodes and sessions. No session expires while it is stopped.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
}

func (s *Server) stop() {
	if s.stopped {
		return
	}
	s.stopped = true
	s.endpoint.close()
	for _, f := range s.followers {
		f.endpoint.close()
	}
	for c := range s.conns {
		s.detach(c)
		if c.partitions == 0 { // a client that is cut off must not notice
			c.closeNow()
		}
	}
}

// Restart makes a stopped server accept connections again, at the same address and with
// the same nodes. Every session can be resumed within its full timeout.
func (s *Server) Restart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done {
		return net.ErrClosed
	}
	if !s.stopped {
		return nil
	}
	if err := s.endpoint.reopen(); err != nil {
		return err
	}
	for _, f := range s.followers {
		if err := f.endpoint.reopen(); err != nil {
			return err
		}
	}
	s.stopped = false
	for _, ss := range s.sessions {
		s.expiry.touch(ss, ss.timeout)
	}
	s.scheduleReap()
	channel.Wake(s.clockWake)
	return nil
}

// Close stops the server permanently and waits until its goroutines have ended.
func (s *Server) Close() {
	s.mu.Lock()
	if !s.done {
		s.done = true
		s.stop()
		s.cancel()
		for c := range s.conns {
			c.closeNow()
		}
	}
	s.mu.Unlock()
	s.wg.Wait()
	if s.opts.file != "" {
		if err := s.save(false); err != nil {
			panic("zktest: " + err.Error())
		}
	}
}

// skipZxid consumes a zxid without a change.
func (s *Server) skipZxid() {
	s.zxid++
	s.replicate(&ztree.Txn{Zxid: s.zxid}, nil)
}

// begin starts a transaction for a request on c, or for the server itself if c is nil.
func (s *Server) begin(c *conn) *ztree.Txn {
	s.zxid++
	t := ztree.NewTxn(s.tree)
	t.Zxid, t.Now, t.Old = s.zxid, s.now(), s.opts.old
	if c != nil {
		t.Session, t.IDs = c.id, c.ids
	}
	return t
}

// now returns the time for nodes in milliseconds since 1970.
func (s *Server) now() int64 { return time.Now().Add(s.clockOffset).UnixMilli() }

// reply sends the reply to a request.
func (s *Server) reply(c *conn, xid int32, code wire.Code, body wire.Record) {
	hdr := wire.ReplyHeader{Xid: xid, Zxid: c.zxid(), Err: code}
	if body == nil {
		c.send(&hdr)
		return
	}
	c.send(&hdr, body)
}
