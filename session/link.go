package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// link is the connection of one ZooKeeper session: one go-zookeeper Conn, which lives
// exactly as long as the session. go-zookeeper runs the dial loop and the handshakes, and
// sends pings. The link decides which server is dialed, when, and with which timeout, and
// sends requests over the same connection.
//
// A link ends when a server reports that the session has expired, when the link's own
// clock has passed the deadline, or by end.
type link struct {
	connector    *connector
	cfg          *config       // of the connector
	capabilities *capabilities // of the connector
	watches      *watches
	report       func(server string, reason error, hopeless bool) // see connector.newLink
	ctx          context.Context                                  // done when the ZooKeeper session has ended
	cancel       context.CancelCauseFunc
	wakeup       chan struct{} // wakes proveLoop; capacity 1

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

	// See proving.go. Under mu, too.
	provers       int                   // calls of KeepProving that have not been released
	stopTimes     map[time.Duration]int // how many of provers have which stop time
	proveUntil    time.Time             // until when proofs are sent without provers
	provedAt      time.Time             // when proveLoop sent its last proof
	endedAt       time.Time             // what ownedUntil returns when the ZooKeeper session has ended
	shownDeadline time.Time             // the deadline that Deadline returned last
	deadlineMoved chan struct{}         // closed when the deadline is another than shownDeadline; nil if no call waits
	abandoned     bool                  // ended locally: the servers may still keep the ZooKeeper session
	finished      bool
}

// newLink returns a link that Start starts. After every change of the connection it calls
// report, with the server and the reason why there is no connection, if there is none.
// hopeless reports that no retry can help.
func (cr *connector) newLink(report func(server string, reason error, hopeless bool)) *link {
	l := &link{
		connector: cr, cfg: &cr.cfg, capabilities: &cr.capabilities, report: report,
		wakeup:        make(chan struct{}, 1),
		quit:          make(chan struct{}),
		shimConnected: make(chan struct{}),
		cycle:         newServerCycle(&cr.cfg),
		unresolved:    make(map[string]bool),
		timeout:       cr.cfg.Timeout,
		attached:      make(chan struct{}),
	}
	l.ctx, l.cancel = context.WithCancelCause(context.Background())
	l.watches = newWatches(l)
	return l
}

// Start begins to connect.
func (l *link) Start() {
	l.connector.Go(l.proveLoop)      // before there is a ZooKeeper session
	if err := l.open(); err != nil { // impossible: the arguments are this package's
		l.End(err, false)
	}
}

// open starts go-zookeeper. Its buffers are small, since it sends and receives nothing but
// handshakes, pings and the close request.
func (l *link) open() error {
	const buffer = 4 << 10
	conn, events, err := zk.Connect(l.cfg.Servers, l.cfg.Timeout,
		zk.WithDialer(l.dial), zk.WithHostProvider((*hostProvider)(l)),
		zk.WithLogger(debugLogger{l.cfg.Log}), zk.WithLogInfo(false),
		zk.WithMaxBufferSize(buffer), zk.WithMaxConnBufferSize(buffer))
	l.conn, l.events = conn, events
	return err
}

// Retire cleans up in the background after the ZooKeeper session has ended.
func (l *link) Retire() { l.connector.Go(l.closeRetired) }

// Context is done when the ZooKeeper session has ended. Its cause wraps ErrExpired, or is
// that of End.
func (l *link) Context() context.Context { return l.ctx }

// End ends the link. Only the first call has an effect. abandon reports that the servers
// may still keep the ZooKeeper session, which Retire then closes.
func (l *link) End(cause error, abandon bool) {
	l.mu.Lock()
	if l.finished {
		l.mu.Unlock()
		return
	}
	if now, deadline := time.Now(), l.ownedUntil(); now.Before(deadline) {
		l.endedAt = now
	} else {
		l.endedAt = deadline
	}
	l.finished, l.abandoned = true, abandon && l.id != 0
	l.cancel(cause) // before the deadline moves, so that no waiter takes the deadline for the cause
	l.notifyDeadline()
	l.mu.Unlock()
	l.close()
}

// Ended returns the error of an operation that cannot continue because the ZooKeeper
// session has ended or ctx is done.
func (l *link) Ended(ctx context.Context) error {
	if l.ctx.Err() != nil {
		return context.Cause(l.ctx)
	}
	return l.cfg.Interrupted(ctx)
}

// state is the state of a link at one moment.
type state struct {
	ID       int64     // of the ZooKeeper session, or 0 before there is one
	Server   string    // of the present connection; empty without one
	Deadline time.Time // when the link ends unless a server answers; zero before there is a ZooKeeper session
	Ended    bool
}

// State returns the present state.
func (l *link) State() state {
	l.mu.Lock()
	defer l.mu.Unlock()
	st := state{ID: l.id, Ended: l.finished}
	st.Deadline, _ = l.deadline()
	if l.current != nil {
		st.Server = l.current.server
	}
	return st
}

// ID returns the id of the ZooKeeper session, or 0 before there is one.
func (l *link) ID() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.id
}

// Timeout returns the session timeout that the server granted. Before there is a
// ZooKeeper session, it is the timeout that is requested.
func (l *link) Timeout() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.timeout
}

// LastZxid returns the latest zxid that a server has sent.
func (l *link) LastZxid() int64 { return l.lastZxid.Load() }

// Attached reports whether there is a connection, and returns a channel that is closed
// when there is one.
func (l *link) Attached() (bool, <-chan struct{}) {
	t, attached := l.gate()
	return t != nil, attached
}

// Suspended returns a channel that is closed when the present connection breaks. If
// there is no connection, the channel is already closed.
func (l *link) Suspended() <-chan struct{} {
	if t, _ := l.gate(); t != nil {
		return t.broken
	}
	return closed
}

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

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
		l.End(fmt.Errorf("%w: server %s no longer knows session 0x%x", ErrExpired, t.server, id), false)
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
		l.pace()
	} else {
		l.proofs.reattached(sent)
	}
	l.notifyDeadline()
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
	left := len(l.cfg.Auth)
	for _, a := range l.cfg.Auth {
		c := newCall(wire.OpAuth, "", &wire.AuthRequest{Scheme: a.Scheme, Auth: a.Data}, &wire.Empty{})
		c.attempts = &l.authAttempts
		c.onReply = func(c *call) {
			switch {
			case errors.Is(c.err, ErrRejected):
				l.report(t.server, c.err, true)
			case c.err != nil: // the connection broke
			case c.code != wire.OK:
				l.report(t.server, c.result(), c.code == wire.CodeAuthFailed)
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
	l.cfg.Log.Info("zookeeper: connected", "server", t.server, "session", fmt.Sprintf("0x%x", l.ID()))
	l.report(t.server, nil, false)
	l.wake()
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
	if !was {
		if !errors.Is(reason, errExpiredHandshake) {
			l.failed(t.to, reason)
		}
		return
	}
	if l.ctx.Err() == nil {
		l.cfg.Log.Info("zookeeper: connection lost", "server", t.server, "session", fmt.Sprintf("0x%x", l.ID()), "err", reason)
	}
	l.report(t.server, reason, false)
	l.wake()
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
		l.notifyDeadline()
		if l.proofArrived != nil {
			close(l.proofArrived)
			l.proofArrived = nil
		}
		l.mu.Unlock()
	}
	if f := l.cfg.Finished; f != nil {
		f(c, received)
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
