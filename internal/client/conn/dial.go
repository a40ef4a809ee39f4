package conn

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
)

// hostProvider is the Conn as go-zookeeper's HostProvider. It does not select servers; dial
// does.
type hostProvider Conn

// Init does nothing: the Conn has its servers.
func (h *hostProvider) Init([]string) error { return nil }

// Len returns the number of servers.
func (h *hostProvider) Len() int { return len(h.cfg.Servers) }

// Next returns a name that dial ignores. It never reports the end of a cycle, since
// go-zookeeper would then wait for a second; dial waits for the backoff instead.
func (h *hostProvider) Next() (string, bool) { return h.cfg.Servers[0], false }

// Connected does nothing: attach and detach count the dials.
func (h *hostProvider) Connected() {}

// dial is go-zookeeper's dialer. It dials the next server of the cycle. Between cycles it
// blocks for the backoff.
func (cc *Conn) dial(_, _ string, _ time.Duration) (net.Conn, error) {
	if cc.failures > 0 && cc.cycle.over() {
		cc.failedCycles++
		backoff.Sleep(cc.cfg.Backoff(cc.failedCycles), cc.closing)
	}
	if cc.closing.Err() != nil {
		return cc.dialShim(), nil
	}
	if cc.failures == 0 || cc.cycle.over() {
		cc.cycle.begin()
	}
	cc.failures++
	to, conn, err := cc.dialNext()
	if err != nil {
		cc.failed(to, err)
		return nil, err
	}
	t := newTransport(cc, to, conn)
	cc.mu.Lock()
	cc.latest = t
	cc.mu.Unlock()
	if cc.closing.Err() != nil { // shutdown may not have seen cc.latest
		t.Close()
	}
	return t, nil
}

func (cc *Conn) dialNext() (target, net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), cc.cfg.ConnectTimeout)
	defer cancel()
	defer context.AfterFunc(cc.ctx, cancel)()
	to, err := cc.cycle.next(ctx)
	if err != nil {
		return to, nil, err
	}
	conn, err := cc.cfg.dial(ctx, to)
	return to, conn, err
}

// dial connects to a target, with TLS if it is configured.
func (cfg *Config) dial(ctx context.Context, to target) (net.Conn, error) {
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

// failed records and publishes why a server could not be used.
func (cc *Conn) failed(to target, err error) {
	cc.mu.Lock()
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		cc.unresolved[to.server] = true
	} else {
		delete(cc.unresolved, to.server)
	}
	unresolved := true
	for _, server := range cc.cfg.Servers {
		unresolved = unresolved && cc.unresolved[server]
	}
	cc.mu.Unlock()
	// Refused credentials break the connection; the status must still show the refusal.
	permanent := unresolved || errors.Is(err, ErrAuthFailed)
	if cc.closing.Err() != nil {
		return
	}
	cc.cfg.Log.Info("zookeeper: cannot connect", "server", to.label, "err", err)
	cc.report(to.label, err, permanent)
}
