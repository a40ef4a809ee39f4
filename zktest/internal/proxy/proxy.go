// Package proxy provides TCP proxies that can delay, reset or drop what they forward.
package proxy

import (
	"cmp"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A Proxy forwards TCP connections to a target. Its methods are safe for concurrent use.
type Proxy struct {
	ln      net.Listener
	target  string
	opts    Options
	delay   atomic.Int64
	running sync.WaitGroup

	mu       sync.Mutex
	links    map[*link]struct{}
	cuts     int // calls of Cut in force
	rejects  int // calls of Reject in force
	shutdown bool
}

// Options are the optional arguments of New.
type Options struct {
	// Addr is the address to listen on; if it is empty, a free port of 127.0.0.1.
	Addr string
	// Preamble, if not nil, replaces the first bytes that a client sends.
	Preamble Preamble
	// DialTimeout is how long a connection waits for a target that does not listen
	// before it is reset.
	DialTimeout time.Duration
}

// A Preamble reads the first bytes that a client sends and returns the bytes that are
// forwarded in their place.
type Preamble func(io.Reader) ([]byte, error)

// New starts a proxy in front of target, a host:port. The target is dialed for every
// connection, so it need not listen yet. The caller must close the proxy.
func New(target string, opts Options) (*Proxy, error) {
	p := &Proxy{target: target, opts: opts, links: make(map[*link]struct{})}
	ln, err := net.Listen("tcp", cmp.Or(opts.Addr, "127.0.0.1:0"))
	if err != nil {
		return nil, err
	}
	p.ln = ln
	p.running.Go(p.accept)
	return p, nil
}

// Addr returns the host:port on which the proxy listens.
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// Delay makes every byte that is sent from now on arrive d later, in each direction.
// Bytes in flight do not delay each other. Opening a connection is not delayed.
func (p *Proxy) Delay(d time.Duration) { p.delay.Store(int64(d)) }

// Cut drops everything until heal is called: connections stay open, nothing is
// forwarded, not even the end of a connection, and new connections are accepted and
// never answered. heal resets the connections that were cut, unless another cut is in
// force. Only the first call of heal has an effect.
func (p *Proxy) Cut() (heal func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cuts++
	for l := range p.links {
		l.cut.Store(true)
	}
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.cuts--; p.cuts > 0 {
			return
		}
		for l := range p.links {
			if l.cut.Load() {
				l.reset()
			}
		}
	})
}

// Reject resets all connections, and new ones when they are accepted, until heal is
// called. Only the first call of heal has an effect.
func (p *Proxy) Reject() (heal func()) {
	p.mu.Lock()
	p.rejects++
	p.mu.Unlock()
	p.Reset()
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.rejects--
	})
}

// Reset resets all connections. New connections are forwarded.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.reset()
	}
}

// Connections returns the number of connections that clients have open.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// Close resets all connections, stops listening, and waits until all goroutines of the
// proxy have ended.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.shutdown = true
	p.mu.Unlock()
	err := p.ln.Close()
	p.Reset()
	p.running.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

func (p *Proxy) accept() {
	for {
		c, err := p.ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			// Most likely the process has too many open files. The client stays in
			// the backlog until a later Accept.
			time.Sleep(10 * time.Millisecond)
			continue
		}
		l := newLink(p, c.(*net.TCPConn))
		if !p.add(l) {
			l.reset()
			continue
		}
		p.running.Go(func() {
			defer p.remove(l)
			l.run()
		})
	}
}

func (p *Proxy) add(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shutdown || p.rejects > 0 {
		return false
	}
	l.cut.Store(p.cuts > 0)
	p.links[l] = struct{}{}
	return true
}

func (p *Proxy) remove(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}
