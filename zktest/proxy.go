package zktest

import (
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A Proxy passes TCP connections on to a target and can do to them what
// networks do: delay them, reset them, or swallow every byte without a word.
// Its methods may be called from any goroutine.
type Proxy struct {
	ln       net.Listener
	target   string
	listen   string
	preamble preamble
	patience time.Duration
	delay    atomic.Int64
	running  sync.WaitGroup

	mu       sync.Mutex
	links    map[*link]struct{}
	cuts     int // black holes in force
	rejects  int // Reject calls in force
	shutdown bool
}

// A ProxyOption changes how NewProxy makes a proxy.
type ProxyOption func(*Proxy)

// WithProxyAddr makes the proxy listen on addr instead of a free port of
// 127.0.0.1.
func WithProxyAddr(addr string) ProxyOption { return func(p *Proxy) { p.listen = addr } }

// withPreamble lets f replace the first bytes that a client sends.
func withPreamble(f preamble) ProxyOption { return func(p *Proxy) { p.preamble = f } }

// withPatience lets a connection wait up to d for a target that does not
// listen, before it is reset.
func withPatience(d time.Duration) ProxyOption { return func(p *Proxy) { p.patience = d } }

// NewProxy starts a proxy in front of target, a host:port that need not
// listen yet: it is dialled for every connection to the proxy, and if it does
// not listen then, the connection is reset. Close the proxy when done.
func NewProxy(target string, opts ...ProxyOption) (*Proxy, error) {
	p := &Proxy{target: target, listen: "127.0.0.1:0", links: make(map[*link]struct{})}
	for _, o := range opts {
		o(p)
	}
	ln, err := net.Listen("tcp", p.listen)
	if err != nil {
		return nil, err
	}
	p.ln = ln
	p.running.Go(p.accept)
	return p, nil
}

// Addr is the host:port that clients of the target use instead of its own.
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// Delay makes every byte sent from now on arrive d later, in each direction,
// so that a round trip takes 2d. Bytes in flight do not hold up one another:
// a pipeline stays one. Opening a connection is not delayed.
func (p *Proxy) Delay(d time.Duration) { p.delay.Store(int64(d)) }

// Cut makes a black hole of the proxy, as a partitioned network is one:
// connections stay open but nothing passes, not even their end, and new ones
// are accepted and never answered. The function it returns heals the cut: it
// resets the connections that lost bytes and lets new ones pass, unless
// another cut is still in force. Only its first call has an effect.
func (p *Proxy) Cut() (heal func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cuts++
	for l := range p.links {
		l.swallow.Store(true)
	}
	return sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.cuts--; p.cuts > 0 {
			return
		}
		for l := range p.links {
			if l.swallow.Load() {
				l.reset()
			}
		}
	})
}

// Reject resets every connection, now and on arrival, as a host without the
// server does. The function it returns ends that; only its first call has an
// effect.
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

// Reset resets the connections there are. New ones pass.
func (p *Proxy) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.reset()
	}
}

// Connections is the number of connections that clients hold open.
func (p *Proxy) Connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)
}

// Close resets every connection, frees the address and returns when nothing
// of the proxy is left.
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
			// Out of file descriptors, most likely: the client is still in
			// the backlog, and a later Accept will find it.
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
	l.swallow.Store(p.cuts > 0)
	p.links[l] = struct{}{}
	return true
}

func (p *Proxy) remove(l *link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.links, l)
}
