package conn

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/zkrecipes/zkrecipes/internal/client/channel"
	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// Conn is the connection of one ZooKeeper session: one go-zookeeper Conn, which lives
// exactly as long as the session. go-zookeeper runs the dial loop and the handshakes, and
// sends pings. The Conn decides which server is dialed, when, and with which timeout, and
// sends requests over the same connection.
//
// A Conn ends when a server reports that the session has expired, when the Conn's own
// clock has passed the deadline, or by End.
type Conn struct {
	connector    *Connector
	cfg          *Config       // of the connector
	capabilities *capabilities // of the connector
	watches      *watches
	report       func(server string, reason error, permanent bool) // see Connector.NewConn
	ctx          context.Context                                   // done when the ZooKeeper session has ended
	cancel       context.CancelCauseFunc
	wakeup       chan struct{} // wakes proveLoop; capacity 1

	// Attempts of requests that several callers send again.
	authTries, rearmTries, removeTries, probeTries Tries

	zkConn   *zk.Conn
	events   <-chan zk.Event
	lastZxid atomic.Int64 // the latest zxid that the session has seen

	closing       context.Context    // done when the Conn is to end
	close         context.CancelFunc // ends it: no new connection is made after the present one breaks
	shimConnected chan struct{}      // closed when go-zookeeper has the connection of dialShim
	shimOnce      sync.Once

	cycle        *serverCycle // servers to try; this and the next two fields: go-zookeeper's goroutine only
	failures     int          // dials since the last connection that lasted
	failedCycles int          // consecutive cycles in which no server could be used

	mu           sync.Mutex
	id           int64
	passwd       []byte
	timeout      time.Duration // negotiated
	proofs       proofs
	proofArrived chan struct{} // closed at the next proof; nil if no call waits
	repliedAt    time.Time     // when the server last sent a reply
	latest       *transport    // the latest that was made; it may be broken or not attached yet
	current      *transport    // the attached transport, or nil
	attached     chan struct{} // closed while attached; replaced by detach
	attachedAt   time.Time
	generation   int             // how often the session has been attached
	unresolved   map[string]bool // servers whose name did not exist when they were tried last
	finished     bool
	abandoned    bool // ended locally: the servers may still keep the ZooKeeper session

	// For proving.go; under mu, too.
	provers       int                   // calls of KeepProving that have not been released
	stopTimes     map[time.Duration]int // how many of provers have which stop time
	proveUntil    time.Time             // until when proofs are sent without provers
	provedAt      time.Time             // when proveLoop sent its last proof
	endedAt       time.Time             // what ownedUntil returns when the ZooKeeper session has ended
	shownDeadline time.Time             // the deadline that Deadline returned last
	deadlineMoved chan struct{}         // closed when the deadline is another than shownDeadline; nil if no call waits
}

// NewConn returns a Conn that Start starts. After every change of the connection it calls
// report, with the server and the reason why there is no connection, if there is none.
// permanent reports that no retry can help.
func (cr *Connector) NewConn(report func(server string, reason error, permanent bool)) *Conn {
	cc := &Conn{
		connector: cr, cfg: &cr.cfg, capabilities: &cr.capabilities, report: report,
		wakeup:        make(chan struct{}, 1),
		shimConnected: make(chan struct{}),
		cycle:         newServerCycle(&cr.cfg),
		unresolved:    make(map[string]bool),
		timeout:       cr.cfg.Timeout,
		attached:      make(chan struct{}),
	}
	cc.ctx, cc.cancel = context.WithCancelCause(context.Background())
	cc.closing, cc.close = context.WithCancel(context.Background())
	cc.watches = newWatches(cc)
	return cc
}

// Start begins to connect.
func (cc *Conn) Start() {
	cc.connector.Go(cc.proveLoop)     // before there is a ZooKeeper session
	if err := cc.open(); err != nil { // impossible: the arguments are this package's
		cc.End(err, false)
	}
}

// open starts go-zookeeper. Its buffers are small, since it sends and receives nothing but
// handshakes, pings and the close request.
func (cc *Conn) open() error {
	const buffer = 4 << 10
	conn, events, err := zk.Connect(cc.cfg.Servers, cc.cfg.Timeout,
		zk.WithDialer(cc.dial), zk.WithHostProvider((*hostProvider)(cc)),
		zk.WithLogger(debugLogger{cc.cfg.Log}), zk.WithLogInfo(false),
		zk.WithMaxBufferSize(buffer), zk.WithMaxConnBufferSize(buffer))
	cc.zkConn, cc.events = conn, events
	return err
}

// Retire cleans up in the background after the ZooKeeper session has ended.
func (cc *Conn) Retire() { cc.connector.Go(cc.closeRetired) }

// Context is done when the ZooKeeper session has ended. Its cause wraps ErrExpired, or is
// that of End.
func (cc *Conn) Context() context.Context { return cc.ctx }

// End ends the Conn. Only the first call has an effect. abandon reports that the servers
// may still keep the ZooKeeper session, which Retire then closes.
func (cc *Conn) End(cause error, abandon bool) {
	cc.mu.Lock()
	if cc.finished {
		cc.mu.Unlock()
		return
	}
	if now, deadline := time.Now(), cc.ownedUntil(); now.Before(deadline) {
		cc.endedAt = now
	} else {
		cc.endedAt = deadline
	}
	cc.finished, cc.abandoned = true, abandon && cc.id != 0
	cc.cancel(cause) // before the deadline moves, so that no waiter takes the deadline for the cause
	cc.notifyDeadline()
	cc.mu.Unlock()
	cc.close()
}

// Ended returns the error of an operation that cannot continue because the ZooKeeper
// session has ended or ctx is done.
func (cc *Conn) Ended(ctx context.Context) error {
	if cc.ctx.Err() != nil {
		return context.Cause(cc.ctx)
	}
	return cc.cfg.Interrupted(ctx)
}

// State is the state of a Conn at one moment.
type State struct {
	ID       int64     // of the ZooKeeper session, or 0 before there is one
	Server   string    // of the present connection; empty without one
	Deadline time.Time // when the Conn ends unless a server answers; zero before there is a ZooKeeper session
	Ended    bool
}

// State returns the present state.
func (cc *Conn) State() State {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	st := State{ID: cc.id, Ended: cc.finished}
	st.Deadline, _ = cc.deadline()
	if cc.current != nil {
		st.Server = cc.current.server
	}
	return st
}

// ID returns the id of the ZooKeeper session, or 0 before there is one.
func (cc *Conn) ID() int64 {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	return cc.id
}

// Timeout returns the session timeout that the server granted. Before there is a
// ZooKeeper session, it is the timeout that is requested.
func (cc *Conn) Timeout() time.Duration {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	return cc.timeout
}

// LastZxid returns the latest zxid that a server has sent.
func (cc *Conn) LastZxid() int64 { return cc.lastZxid.Load() }

// Attached reports whether there is a connection, and returns a channel that is closed
// when there is one.
func (cc *Conn) Attached() (bool, <-chan struct{}) {
	t, attached := cc.gate()
	return t != nil, attached
}

// Suspended returns a channel that is closed when the present connection breaks. If
// there is no connection, the channel is already closed.
func (cc *Conn) Suspended() <-chan struct{} {
	if t, _ := cc.gate(); t != nil {
		return t.broken
	}
	return closed
}

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// attach is called with the reply to a handshake.
func (cc *Conn) attach(t *transport, resp *wire.ConnectResponse) error {
	if cc.closing.Err() != nil {
		return net.ErrClosed
	}
	refused := resp.Timeout <= 0 || resp.SessionID == 0
	cc.mu.Lock()
	if refused && cc.id == 0 {
		cc.mu.Unlock()
		return fmt.Errorf("session: server %s did not open a session", t.server)
	}
	if refused || cc.id != 0 && resp.SessionID != cc.id {
		// Some servers open another session instead of reporting that this one has
		// expired. It means the same.
		id := cc.id
		cc.mu.Unlock()
		cc.End(fmt.Errorf("%w: server %s no longer knows session 0x%x", ErrExpired, t.server, id), false)
		return errExpiredHandshake
	}
	first := cc.id == 0
	cc.id, cc.passwd = resp.SessionID, resp.Passwd
	cc.timeout = time.Duration(resp.Timeout) * time.Millisecond
	t.mu.Lock()
	sent := t.handshake
	t.opened = true
	t.mu.Unlock()
	if first {
		cc.proofs.start(cc.timeout, sent)
		cc.pace()
	} else {
		cc.proofs.reattached(sent)
	}
	cc.notifyDeadline()
	now := time.Now()
	cc.repliedAt, cc.attachedAt = now, now
	t.Conn.SetDeadline(time.Time{})
	t.Conn.SetReadDeadline(now.Add(cc.timeout * 2 / 3))
	cc.generation++
	cc.mu.Unlock()

	cc.restore(t)
	return nil
}

// restore sends the first requests of a new connection: the credentials, and the watches
// to set again. Other requests are sent when the server has accepted the credentials.
func (cc *Conn) restore(t *transport) {
	left := len(cc.cfg.Auth)
	for _, a := range cc.cfg.Auth {
		c := NewCall(wire.OpAuth, "", &wire.AuthRequest{Scheme: a.Scheme, Auth: a.Data}, &wire.Empty{})
		c.Tries = &cc.authTries
		c.onReply = func(c *Call) {
			switch {
			case errors.Is(c.Err, ErrRejected):
				cc.report(t.server, c.Err, true)
			case c.Err != nil: // the connection broke
			case c.Code != wire.OK:
				cc.report(t.server, c.Result(), c.Code == wire.CodeAuthFailed)
				c.Err = c.Result() // makes deliver break the connection
			default:
				if left--; left == 0 {
					cc.ready(t)
				}
			}
		}
		t.send(c)
	}
	cc.watches.rearm(t, cc.lastZxid.Load())
	if left == 0 {
		cc.ready(t)
	}
}

// ready makes t the current transport, which requests are sent over. If t has broken, it
// has been detached already, and ready does nothing.
func (cc *Conn) ready(t *transport) {
	cc.mu.Lock()
	if t.isBroken() {
		cc.mu.Unlock()
		return
	}
	cc.current = t
	close(cc.attached)
	clear(cc.unresolved)
	cc.mu.Unlock()
	cc.cfg.Log.Info("zookeeper: connected", "server", t.server, "session", fmt.Sprintf("0x%x", cc.ID()))
	cc.report(t.server, nil, false)
	channel.Wake(cc.wakeup)
}

// detach is called when a transport has broken.
func (cc *Conn) detach(t *transport, reason error) {
	cc.mu.Lock()
	was := cc.current == t
	if was {
		cc.current = nil
		cc.attached = make(chan struct{})
		if time.Since(cc.attachedAt) > cc.timeout/3 {
			cc.failures = 0 // the connection lasted; go-zookeeper dials only after this
			cc.failedCycles = 0
		}
	}
	cc.mu.Unlock()
	if !was {
		if !errors.Is(reason, errExpiredHandshake) {
			cc.failed(t.to, reason)
		}
		return
	}
	if cc.ctx.Err() == nil {
		cc.cfg.Log.Info("zookeeper: connection lost", "server", t.server, "session", fmt.Sprintf("0x%x", cc.ID()), "err", reason)
	}
	cc.report(t.server, reason, false)
	channel.Wake(cc.wakeup)
}

// noteReply records that the server sent a reply.
func (cc *Conn) noteReply(zxid int64) {
	if zxid > cc.lastZxid.Load() { // only the reader stores
		cc.lastZxid.Store(zxid)
	}
	cc.mu.Lock()
	cc.repliedAt = time.Now()
	cc.mu.Unlock()
}

// finish ends a call and wakes its waiters.
func (cc *Conn) finish(c *Call, received int) {
	if c.onReply != nil {
		c.onReply(c)
	}
	if c.Err == nil && provesLeader(c) {
		cc.mu.Lock()
		cc.proofs.add(c.Sent)
		cc.notifyDeadline()
		if cc.proofArrived != nil {
			close(cc.proofArrived)
			cc.proofArrived = nil
		}
		cc.mu.Unlock()
	}
	if f := cc.cfg.Finished; f != nil {
		f(c, received)
	}
	close(c.done)
}

// provesLeader reports whether c passed through a quorum. Every write does, also one that
// failed because of the state of the nodes. A sync does not: a leader without followers
// answers it alone.
func provesLeader(c *Call) bool {
	switch c.Op {
	case wire.OpCreate, wire.OpCreate2, wire.OpCreateContainer, wire.OpCreateTTL, wire.OpDelete, wire.OpSetData, wire.OpSetACL, wire.OpMulti:
	default:
		return false
	}
	switch c.Code {
	case wire.OK, wire.CodeNoNode, wire.CodeNodeExists, wire.CodeBadVersion, wire.CodeNotEmpty, wire.CodeNoAuth:
		return true
	}
	return false
}

func (cc *Conn) recvTimeout() time.Duration {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	return cc.timeout * 2 / 3
}

// attachments returns how many connections the ZooKeeper session has had.
func (cc *Conn) attachments() int {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	return cc.generation
}

// gate returns the attached transport, or nil, and a channel that is closed at the next
// attachment.
func (cc *Conn) gate() (*transport, <-chan struct{}) {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	return cc.current, cc.attached
}

// openedTransport returns the latest transport if its handshake is complete, even if it is
// not ready for requests yet.
func (cc *Conn) openedTransport() *transport {
	cc.mu.Lock()
	t := cc.latest
	cc.mu.Unlock()
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

// debugLogger logs go-zookeeper's lines at debug level.
type debugLogger struct{ log *slog.Logger }

func (c debugLogger) Printf(format string, args ...any) {
	c.log.Debug("zookeeper: client: " + fmt.Sprintf(format, args...))
}
