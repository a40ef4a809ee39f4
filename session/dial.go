package session

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// hosts is the link as go-zookeeper's HostProvider: the server names as they
// were given, resolved by whoever dials.
type hosts link

// Init has nothing to do: the link has its servers.
func (h *hosts) Init([]string) error { return nil }

// Len is the number of servers.
func (h *hosts) Len() int { return len(h.servers) }

// Next gives the servers in turn. It never says that a round is over, upon
// which go-zookeeper would wait for a second; dial does the waiting.
func (h *hosts) Next() (string, bool) {
	server := h.servers[h.next%len(h.servers)]
	h.next++
	return server, false
}

// Connected has nothing to do: attach counts.
func (h *hosts) Connected() {}

// dial is go-zookeeper's dialer. It blocks for as long as backing off asks.
func (l *link) dial(_, server string, _ time.Duration) (net.Conn, error) {
	if l.failures > 0 && l.failures%len(l.servers) == 0 {
		l.sleep(nextPause(l.pause))
	}
	if l.quitting() {
		return l.sayFarewell(), nil
	}
	l.failures++
	conn, err := l.dialServer(server)
	if err != nil {
		l.failed(server, err)
		return nil, err
	}
	t := newTransport(l, server, conn)
	l.mu.Lock()
	l.latest = t
	l.mu.Unlock()
	if l.quitting() { // perhaps too late for shutdown to have seen it
		t.Close()
	}
	return t, nil
}

func (l *link) quitting() bool {
	select {
	case <-l.quit:
		return true
	default:
		return false
	}
}

// nextPause asks b, which does not get to say that it is enough.
func nextPause(b backoff.BackOff) time.Duration {
	d := b.NextBackOff()
	if d == backoff.Stop {
		b.Reset()
		d = b.NextBackOff()
	}
	if d < 0 { // it never says anything else
		return time.Second
	}
	return d
}

func (l *link) sleep(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.quit:
	}
}

func (l *link) dialServer(server string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), l.opts.connectTimeout)
	defer cancel()
	defer context.AfterFunc(l.epoch.ctx, cancel)()
	return dial(ctx, l.opts, server)
}

func dial(ctx context.Context, o *options, server string) (net.Conn, error) {
	conn, err := o.dial(ctx, "tcp", server)
	if err != nil || o.tls == nil {
		return conn, err
	}
	c := o.tls.Clone()
	if c.ServerName == "" {
		c.ServerName, _, _ = net.SplitHostPort(server)
	}
	secure := tls.Client(conn, c)
	if err := secure.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return secure, nil
}

// failed notes why an attempt at a server came to nothing.
func (l *link) failed(server string, err error) {
	l.mu.Lock()
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		l.unresolved++
	} else {
		l.unresolved = 0
	}
	hopeless := l.unresolved >= len(l.servers)
	l.mu.Unlock()
	if l.quitting() {
		return
	}
	l.opts.log.Info("zookeeper: cannot connect", "server", server, "err", err)
	l.epoch.failing(server, err, hopeless)
}
