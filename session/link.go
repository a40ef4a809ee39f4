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

// link is the connection of one epoch: one go-zookeeper Conn, which lives exactly as long
// as the ZooKeeper session. go-zookeeper runs the dial loop and the handshakes, and sends
// pings. The link decides which server is dialed, when, and with which timeout, and sends
// the session's requests over the same connection.
type link struct {
	opts       *options
	servers    []string
	epoch      *Epoch
	goroutines *sync.WaitGroup
	watches    *watches

	capabilities *capabilities // of the session
	// Attempts of requests that several callers send again.
	authAttempts, rearmAttempts, removeAttempts, probeAttempts attempts

	conn     *zk.Conn
	events   <-chan zk.Event
	lastZxid atomic.Int64 // the latest zxid that the session has seen

	quit          chan struct{} // closed when the link is to end
	quitOnce      sync.Once
	shimConnected chan struct{} // closed when go-zookeeper has the connection of dialShim
	shimOnce      sync.Once

	cycle    *serverCycle // servers to try; this and the next two fields: go-zookeeper's goroutine only
	failures int          // attempts since the last connection that lasted
	rounds   int          // consecutive rounds in which no server could be used

	mu           sync.Mutex
	id           int64
	passwd       []byte
	timeout      time.Duration // negotiated
	proofs       proofs
	proofArrived chan struct{} // closed at the next proof; nil if no call waits
	heardAt      time.Time     // when the server last sent a reply
	latest       *transport    // the latest that was made; it may be broken or not attached yet
	current      *transport    // the attached transport, or nil
	attached     chan struct{} // closed while attached; replaced by detach
	attachedAt   time.Time
	generation   int             // how often the session has been attached
	unresolved   map[string]bool // servers whose name did not exist when they were tried last
}

func newLink(e *Epoch, tasks *sync.WaitGroup) *link {
	l := &link{
		opts: e.session.opts, servers: e.session.servers, epoch: e, goroutines: tasks, capabilities: &e.session.capabilities,
		quit:          make(chan struct{}),
		shimConnected: make(chan struct{}),
		cycle:         newServerCycle(e.session.opts, e.session.servers),
		unresolved:    make(map[string]bool),
		timeout:       e.session.opts.timeout,
		attached:      make(chan struct{}),
	}
	l.watches = newWatches(l)
	return l
}

// open starts go-zookeeper. Its buffers are small, since it sends and receives nothing but
// handshakes, pings and the close request.
func (l *link) open() error {
	const buffer = 4 << 10
	conn, events, err := zk.Connect(l.servers, l.opts.timeout,
		zk.WithDialer(l.dial), zk.WithHostProvider((*hostProvider)(l)),
		zk.WithLogger(debugLogger{l.opts.log}), zk.WithLogInfo(false),
		zk.WithMaxBufferSize(buffer), zk.WithMaxConnBufferSize(buffer))
	l.conn, l.events = conn, events
	return err
}

// attach is called with the reply to a handshake.
func (l *link) attach(t *transport, resp *wire.ConnectResponse) error {
	if l.isClosed() {
		return net.ErrClosed
	}
	refused := resp.Timeout <= 0 || resp.SessionID == 0
	l.mu.Lock()
	if refused && l.id == 0 {
		l.mu.Unlock()
		return fmt.Errorf("session: server %s did not open a session", t.server)
	}
	if refused || l.id != 0 && resp.SessionID != l.id {
		// Some servers open another session instead of reporting that this one has
		// expired. It means the same.
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

// restore sends the first requests of a new connection: the credentials, and the watches
// to set again. Other requests are sent when the server has accepted the credentials.
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
				c.err = c.result() // makes deliver break the connection
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

// ready makes t the current transport, which requests are sent over. If t has broken, it
// has been detached already, and ready does nothing.
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
			l.failures = 0 // the connection lasted; go-zookeeper dials only after this
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

// heard records that the server sent a reply.
func (l *link) heard(zxid int64) {
	if zxid > l.lastZxid.Load() { // only the reader stores
		l.lastZxid.Store(zxid)
	}
	l.mu.Lock()
	l.heardAt = time.Now()
	l.mu.Unlock()
}

// finish ends a call and wakes its waiters.
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

// provesLeader reports whether c passed through a quorum. Every write does, also one that
// failed because of the state of the nodes. A sync does not: a leader without followers
// answers it alone.
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

// attachments returns how many connections the ZooKeeper session has had.
func (l *link) attachments() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.generation
}

// gate returns the attached transport, or nil, and a channel that is closed at the next
// attachment.
func (l *link) gate() (*transport, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.current, l.attached
}

// openedTransport returns the latest transport if its handshake is complete, even if it is
// not ready for requests yet.
func (l *link) openedTransport() *transport {
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

// close ends the link: no new connection is made after the present one breaks. It does not
// wait.
func (l *link) close() {
	l.quitOnce.Do(func() { close(l.quit) })
}

// debugLogger logs go-zookeeper's lines at debug level.
type debugLogger struct{ log loggerDebug }

type loggerDebug interface{ Debug(string, ...any) }

func (c debugLogger) Printf(format string, args ...any) {
	c.log.Debug("zookeeper: client: " + fmt.Sprintf(format, args...))
}
