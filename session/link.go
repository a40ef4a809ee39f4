package session

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// link is one go-zookeeper Conn, which lives exactly as long as one ZooKeeper
// session. go-zookeeper dials, shakes hands, pings and resumes; which server,
// when, and with what patience is said here, and requests are sent here, over
// its connection.
type link struct {
	opts       *options
	servers    []string
	epoch      *Epoch
	goroutines *sync.WaitGroup
	watches    *watches

	capabilities *capabilities // of the session
	// Histories of requests that are sent again by more than one caller.
	authAttempts, rearmAttempts, removeAttempts, probeAttempts attempts

	conn     *zk.Conn
	events   <-chan zk.Event
	lastZxid atomic.Int64 // the latest zxid that the session has seen

	quit         chan struct{} // closed when the link is to end
	quitOnce     sync.Once
	farewell     chan struct{} // closed when go-zookeeper has its last connection
	farewellOnce sync.Once

	cycle    *serverCycle // servers to try; go-zookeeper's goroutine only, as are the two below
	failures int          // attempts since the last good attachment
	rounds   int          // in which no server could be used, in a row

	mu           sync.Mutex
	id           int64
	passwd       []byte
	timeout      time.Duration // negotiated
	proofs       proofs
	proofArrived chan struct{} // if somebody waits for it: closed at the next proof
	heardAt      time.Time     // when the server last answered anything
	latest       *transport    // that was made; perhaps broken, perhaps not attached yet
	current      *transport    // attached, nil while not
	attached     chan struct{} // closed while attached; replaced at a detachment
	attachedAt   time.Time
	generation   int             // how often the session has been attached
	unresolved   map[string]bool // servers whose name did not exist when they were tried last
}

func newLink(e *Epoch, tasks *sync.WaitGroup) *link {
	l := &link{
		opts: e.session.opts, servers: e.session.servers, epoch: e, goroutines: tasks, capabilities: &e.session.capabilities,
		quit:       make(chan struct{}),
		farewell:   make(chan struct{}),
		cycle:      newServerCycle(e.session.opts, e.session.servers),
		unresolved: make(map[string]bool),
		timeout:    e.session.opts.timeout,
		attached:   make(chan struct{}),
	}
	l.watches = newWatches(l)
	return l
}

// open starts go-zookeeper. Its buffers are small, since it carries nothing but
// handshakes, pings and the goodbye.
func (l *link) open() error {
	const buffer = 4 << 10
	conn, events, err := zk.Connect(l.servers, l.opts.timeout,
		zk.WithDialer(l.dial), zk.WithHostProvider((*hostProvider)(l)),
		zk.WithLogger(debugLogger{l.opts.log}), zk.WithLogInfo(false),
		zk.WithMaxBufferSize(buffer), zk.WithMaxConnBufferSize(buffer))
	l.conn, l.events = conn, events
	return err
}

// attach is called on the answer to a handshake.
func (l *link) attach(t *transport, resp *wire.ConnectResponse) error {
	if l.isClosed() {
		return net.ErrClosed
	}
	refused := resp.Timeout <= 0 || resp.SessionID == 0
	l.mu.Lock()
	if refused && l.id == 0 {
		l.mu.Unlock()
		return fmt.Errorf("session: server %s opens no session", t.server)
	}
	if refused || l.id != 0 && resp.SessionID != l.id {
		// Some servers hand out another session instead of saying that this one
		// is gone. It is the same to us.
		id := l.id
		l.mu.Unlock()
		l.epoch.end(fmt.Errorf("%w: server %s no longer knows session 0x%x", ErrExpired, t.server, id), false)
		return errExpiredHandshake
	}
	first := l.id == 0
	l.id, l.passwd = resp.SessionID, resp.Passwd
	l.timeout = time.Duration(resp.Timeout) * time.Millisecond
	t.mu.Lock()
	sent := t.handshake
	t.opened = true
	t.mu.Unlock()
	if first {
		l.proofs.start(l.timeout, sent)
		l.epoch.pace()
	} else {
		l.proofs.reattached(sent)
	}
	l.epoch.notifyDeadline()
	now := time.Now()
	l.heardAt, l.attachedAt = now, now
	t.Conn.SetDeadline(time.Time{})
	t.Conn.SetReadDeadline(now.Add(l.timeout * 2 / 3))
	l.generation++
	l.mu.Unlock()

	l.restore(t)
	return nil
}

// restore sends what must come first on a new connection: who we are, and which
// watches the server shall go on holding. Requests flow once the server has
// accepted the former.
func (l *link) restore(t *transport) {
	left := len(l.opts.auth)
	for _, a := range l.opts.auth {
		c := newCall(wire.OpAuth, "", &wire.AuthRequest{Scheme: a.scheme, Auth: a.data}, &wire.Empty{})
		c.attempts = &l.authAttempts
		c.onReply = func(c *call) {
			switch {
			case errors.Is(c.err, ErrRejected):
				l.epoch.failing(t.server, c.err, true)
			case c.err != nil: // the connection broke
			case c.code != wire.OK:
				l.epoch.failing(t.server, c.result(), c.code == wire.CodeAuthFailed)
				c.err = c.result() // breaks the connection, which is of no use
			default:
				if left--; left == 0 {
					l.ready(t)
				}
			}
		}
		t.send(c)
	}
	l.watches.rearm(t, l.lastZxid.Load())
	if left == 0 {
		l.ready(t)
	}
}

// ready opens the gate for requests, unless the connection has broken before its
// turn came: then it has been detached already, and nobody would do so again.
func (l *link) ready(t *transport) {
	l.mu.Lock()
	if t.isBroken() {
		l.mu.Unlock()
		return
	}
	l.current = t
	close(l.attached)
	clear(l.unresolved)
	l.mu.Unlock()
	l.epoch.connected(t.server)
}

// detach is called when a transport has broken.
func (l *link) detach(t *transport, reason error) {
	l.mu.Lock()
	was := l.current == t
	if was {
		l.current = nil
		l.attached = make(chan struct{})
		if time.Since(l.attachedAt) > l.timeout/3 {
			l.failures = 0 // it was a good one; go-zookeeper dials only after this
			l.rounds = 0
		}
	}
	l.mu.Unlock()
	if was {
		l.epoch.suspended(t.server, reason)
	} else if !errors.Is(reason, errExpiredHandshake) {
		l.failed(t.to, reason)
	}
}

// heard notes an answer of the server.
func (l *link) heard(zxid int64) {
	if zxid > l.lastZxid.Load() { // only the reader stores
		l.lastZxid.Store(zxid)
	}
	l.mu.Lock()
	l.heardAt = time.Now()
	l.mu.Unlock()
}

// finish gives a call its outcome to whoever waits for it.
func (l *link) finish(c *call, received int) {
	if c.onReply != nil {
		c.onReply(c)
	}
	if c.err == nil && provesLeader(c) {
		l.mu.Lock()
		l.proofs.add(c.sent)
		l.epoch.notifyDeadline()
		if l.proofArrived != nil {
			close(l.proofArrived)
			l.proofArrived = nil
		}
		l.mu.Unlock()
	}
	if f := l.opts.hooks.Request; f != nil {
		f(RequestInfo{
			Op: c.op.String(), Path: c.path, Duration: time.Since(c.sent),
			Sent: c.size, Received: received, Err: c.result(),
		})
	}
	close(c.done)
}

// provesLeader tells whether the answer to c passed through a quorum: every
// write does, and so does one that failed for what it found in the tree. A sync
// does not: a leader that its followers have left answers it alone.
func provesLeader(c *call) bool {
	switch c.op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL, wire.OpDelete, wire.OpSetData, wire.OpSetACL, wire.OpMulti:
	default:
		return false
	}
	switch c.code {
	case wire.OK, wire.CodeNoNode, wire.CodeNodeExists, wire.CodeBadVersion, wire.CodeNotEmpty, wire.CodeNoAuth:
		return true
	}
	return false
}

func (l *link) recvTimeout() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.timeout * 2 / 3
}

// attachments counts the connections that have carried the session.
func (l *link) attachments() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.generation
}

// gate returns the attached transport, or nil and a channel that is closed at
// the next attachment.
func (l *link) gate() (*transport, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current, l.attached
}

// line returns the transport over which the server has been met, even if it is
// not ready for requests yet.
func (l *link) line() *transport {
	l.mu.Lock()
	t := l.latest
	l.mu.Unlock()
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.opened {
		return nil
	}
	return t
}

// close ends the link: no new connection is made, and go-zookeeper goes once
// the current one breaks. It does not wait.
func (l *link) close() {
	l.quitOnce.Do(func() { close(l.quit) })
}

// debugLogger is go-zookeeper's log.
type debugLogger struct{ log loggerDebug }

type loggerDebug interface{ Debug(string, ...any) }

func (c debugLogger) Printf(format string, args ...any) {
	c.log.Debug("zookeeper: client: " + fmt.Sprintf(format, args...))
}
