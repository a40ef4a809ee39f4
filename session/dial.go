package session

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"
)

// hostProvider is the link as go-zookeeper's HostProvider. It does not select servers; dial
// does.
type hostProvider link

// Init does nothing: the link has its servers.
func (h *hostProvider) Init([]string) error { return nil }

// Len returns the number of servers.
func (h *hostProvider) Len() int { return len(h.cfg.Servers) }

// Next returns a name that dial ignores. It never reports the end of a round, since
// go-zookeeper would then wait for a second; dial waits for the backoff instead.
func (h *hostProvider) Next() (string, bool) { return h.cfg.Servers[0], false }

// Connected does nothing: attach and detach count attempts.
func (h *hostProvider) Connected() {}

// dial is go-zookeeper's dialer. It dials the next server of the round. Between rounds it
// blocks for the backoff.
func (l *link) dial(_, _ string, _ time.Duration) (net.Conn, error) {
	if l.failures > 0 && l.cycle.over() {
		l.rounds++
		l.sleep(l.cfg.Backoff(l.rounds))
	}
	if l.isClosed() {
		return l.dialShim(), nil
	}
	if l.failures == 0 || l.cycle.over() {
		l.cycle.begin()
	}
	l.failures++
	to, conn, err := l.dialNext()
	if err != nil {
		l.failed(to, err)
		return nil, err
	}
	t := newTransport(l, to, conn)
	l.mu.Lock()
	l.latest = t
	l.mu.Unlock()
	if l.isClosed() { // shutdown may not have seen l.latest
		t.Close()
	}
	return t, nil
}

func (l *link) isClosed() bool {
	select {
	case <-l.quit:
		return true
	default:
		return false
	}
}

func (l *link) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.quit:
	}
}

func (l *link) dialNext() (target, net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), l.cfg.ConnectTimeout)
	defer cancel()
	defer context.AfterFunc(l.ctx, cancel)()
	to, err := l.cycle.next(ctx)
	if err != nil {
		return to, nil, err
	}
	conn, err := l.cfg.dial(ctx, to)
	return to, conn, err
}

// dial connects to a target, with TLS if it is configured.
func (cfg *config) dial(ctx context.Context, to target) (net.Conn, error) {
	conn, err := cfg.Dial(ctx, "tcp", to.addr)
	if err != nil || cfg.TLS == nil {
		return conn, err
	}
	c := cfg.TLS.Clone()
	if c.ServerName == "" {
		c.ServerName, _, _ = net.SplitHostPort(to.server)
	}
	secure := tls.Client(conn, c)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// failed records and publishes why an attempt to connect to a server failed.
func (l *link) failed(to target, err error) {
	l.mu.Lock()
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		l.unresolved[to.server] = true
	} else {
		delete(l.unresolved, to.server)
	}
	unresolved := true
	for _, server := range l.cfg.Servers {
		unresolved = unresolved && l.unresolved[server]
	}
	l.mu.Unlock()
	// Refused credentials break the connection; the status must still show the refusal.
	hopeless := unresolved || errors.Is(err, ErrAuthFailed)
	if l.isClosed() {
		return
	}
	l.cfg.Log.Info("zookeeper: cannot connect", "server", to.label, "err", err)
	l.report(to.label, err, hopeless)
}
