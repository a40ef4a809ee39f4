// Package doctor examines the servers of a connect string and reports what it found, with
// advice for each finding.
//
// Examine opens one session on each server, which ends before Examine does. It leaves no
// node and no watch, and its time is bounded whatever the servers do.
package doctor

import (
	"context"
	"crypto/tls"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// Config is what to examine, and how to connect.
type Config struct {
	Servers []string // host:port, as session.ParseConnect returns them
	Chroot  string   // empty, or a path
	Timeout time.Duration
	// ConnectTimeout bounds the examination of each server, apart from the end of its
	// session, which may take CloseTimeout more.
	ConnectTimeout time.Duration
	CloseTimeout   time.Duration
	MaxBuffer      int
	AdminPort      int // of the servers' admin server; 0 for none
	TLS            *tls.Config
	Auth           []Credential
	Options        []session.Option // of the sessions, without the settings above
	// Dial replaces the dialer, and the lookup of hosts. Tests use it.
	Dial session.DialFunc
}

// Credential authenticates connections.
type Credential struct {
	Scheme string
	Data   []byte
}

// Report is what Examine found.
type Report struct {
	Servers  []*Server
	Ensemble *Ensemble
	Client   *Client
}

// Examine examines all servers at the same time. It calls done for each server as soon as
// that server and all before it have been examined. If ctx is done, Examine ends the sessions
// and returns the cause.
func Examine(ctx context.Context, cfg Config, done func(*Server) error) (*Report, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &Report{Servers: make([]*Server, len(cfg.Servers))}
	finished := make([]chan struct{}, len(cfg.Servers))
	var all sync.WaitGroup
	defer all.Wait()
	for i, server := range cfg.Servers {
		finished[i] = make(chan struct{})
		all.Go(func() {
			defer close(finished[i])
			r.Servers[i] = examineServer(ctx, &cfg, server)
		})
	}
	for i := range finished {
		<-finished[i]
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err := done(r.Servers[i]); err != nil {
			cancel()
			return nil, err
		}
	}
	r.Ensemble = newEnsemble(r.Servers)
	r.Client = newClient(&cfg, r.Servers, r.Ensemble)
	return r, nil
}

// Findings returns the findings of all parts of the report.
func (r *Report) Findings() []Finding {
	var all []Finding
	for _, s := range r.Servers {
		all = append(all, s.Findings...)
	}
	all = append(all, r.Ensemble.Findings...)
	return append(all, r.Client.Findings...)
}

// Reachable reports whether any server has answered.
func (r *Report) Reachable() bool {
	for _, s := range r.Servers {
		if s.Reachable {
			return true
		}
	}
	return false
}

// dial connects to an address of a server, with TLS if it is configured.
func (cfg *Config) dial(ctx context.Context, server, addr string) (net.Conn, error) {
	dial := cfg.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	nc, err := dial(ctx, "tcp", addr)
	if err != nil || cfg.TLS == nil {
		return nc, err
	}
	conf := cfg.TLS.Clone()
	if conf.ServerName == "" {
		conf.ServerName, _, _ = net.SplitHostPort(server)
	}
	secure := tls.Client(nc, conf)
	if err := secure.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, &tlsError{err}
	}
	return secure, nil
}

// tlsError is the error of a TLS handshake.
type tlsError struct{ err error }

func (e *tlsError) Error() string { return "TLS: " + e.err.Error() }
func (e *tlsError) Unwrap() error { return e.err }

// adminAddress returns the host:port of a server's admin server.
func (cfg *Config) adminAddress(addr string) string {
	host, _, _ := net.SplitHostPort(addr)
	return net.JoinHostPort(host, strconv.Itoa(cfg.AdminPort))
}
