package zktest

import (
	"time"

	"github.com/zkrecipes/zkrecipes/zktest/internal/proxy"
)

// A Proxy forwards TCP connections to a target, and can delay them, reset them or drop
// what is sent on them. Use it to test how a client behaves when the network fails; the
// servers of a [Cluster] have proxies already.
//
// Its methods are safe for concurrent use.
type Proxy struct{ proxy *proxy.Proxy }

// A ProxyOption configures NewProxy.
type ProxyOption func(*proxy.Options)

// WithProxyAddr sets the address on which the proxy listens. The default is a free port
// of 127.0.0.1.
func WithProxyAddr(addr string) ProxyOption { return func(o *proxy.Options) { o.Addr = addr } }

// NewProxy starts a proxy in front of target, a host:port. The caller must close it.
//
// The target need not listen yet: it is dialed for every connection to the proxy. If it
// does not listen then, the connection is reset.
func NewProxy(target string, opts ...ProxyOption) (*Proxy, error) {
	var o proxy.Options
	for _, opt := range opts {
		opt(&o)
	}
	p, err := proxy.New(target, o)
	if err != nil {
		return nil, err
	}
	return &Proxy{p}, nil
}

// Addr returns the host:port on which the proxy listens, which clients use instead of
// the target's address.
func (p *Proxy) Addr() string { return p.proxy.Addr() }

// Delay makes every byte that is sent from now on arrive d later, in each direction, so
// a round trip takes 2d longer. Bytes in flight do not delay each other: pipelined
// requests stay pipelined. Opening a connection is not delayed.
func (p *Proxy) Delay(d time.Duration) { p.proxy.Delay(d) }

// Cut makes the proxy drop everything, as a partitioned network does: connections stay
// open but nothing passes, not even their end, and new connections are accepted and
// never answered.
//
// heal ends the cut: it resets the connections that were cut and lets new ones pass,
// unless another cut is in force. Only the first call of heal has an effect.
func (p *Proxy) Cut() (heal func()) { return p.proxy.Cut() }

// Reject resets all connections, and new ones when they are opened, as a host does on
// which the server does not run. heal ends that; only its first call has an effect.
func (p *Proxy) Reject() (heal func()) { return p.proxy.Reject() }

// Reset resets all connections. New connections pass.
func (p *Proxy) Reset() { p.proxy.Reset() }

// Connections returns the number of connections that clients have open.
func (p *Proxy) Connections() int { return p.proxy.Connections() }

// Close resets all connections, stops listening, and waits until all goroutines of the
// proxy have ended.
func (p *Proxy) Close() error { return p.proxy.Close() }
