package zktest

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// A preamble reads the first bytes that a client sends and returns what the
// server shall get in their place.
type preamble func(io.Reader) ([]byte, error)

// redialInterval is the pause between two attempts of a patient proxy.
const redialInterval = 10 * time.Millisecond

// A link is one connection through a proxy.
type link struct {
	proxy   *Proxy
	client  *net.TCPConn
	swallow atomic.Bool // pass nothing on, ever again

	ctx    context.Context // done when the link has been reset
	cancel context.CancelFunc

	mu     sync.Mutex
	server *net.TCPConn // nil before it is dialled
	broken bool
}

func newLink(p *Proxy, client *net.TCPConn) *link {
	l := &link{proxy: p, client: client}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// run passes bytes on until both ends are through or the link is reset.
func (l *link) run() {
	defer l.reset()
	if l.swallow.Load() {
		// A partitioned server is not dialled: it must not see the client.
		io.Copy(io.Discard, l.client)
		<-l.ctx.Done()
		return
	}
	if !l.dial() {
		return
	}
	var both sync.WaitGroup
	there, back := newStream(), newStream()
	both.Go(func() { l.receive(l.client, there, l.proxy.preamble) })
	both.Go(func() { l.send(there, l.server) })
	both.Go(func() { l.receive(l.server, back, nil) })
	both.Go(func() { l.send(back, l.client) })
	both.Wait()
	l.finish()
}

// dial connects to the target, for as long as the proxy has patience.
func (l *link) dial() bool {
	var d net.Dialer
	for deadline := time.Now().Add(l.proxy.patience); ; {
		c, err := d.DialContext(l.ctx, "tcp", l.proxy.target)
		if err == nil {
			return l.dialled(c.(*net.TCPConn))
		}
		if time.Now().After(deadline) || !l.wait(time.Now().Add(redialInterval)) {
			return false
		}
	}
}

func (l *link) dialled(c *net.TCPConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		reset(c)
		return false
	}
	l.server = c
	return true
}

// receive reads from c into s, and drops what it reads once the link
// swallows. An end of c that comes in order goes through s too; any other one
// resets the link at once.
func (l *link) receive(c *net.TCPConn, s *stream, first preamble) {
	defer s.close()
	if first != nil {
		b, err := first(c)
		if err != nil {
			l.lost()
			return
		}
		s.push(l.stamp(b))
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		if n > 0 && !l.swallow.Load() {
			s.push(l.stamp(append([]byte(nil), buf[:n]...)))
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) && !l.swallow.Load():
			s.push(l.stamp(nil))
			return
		default:
			l.lost()
			return
		}
	}
}

// lost is called when one end is gone. The other end hears of it, except
// through a black hole.
func (l *link) lost() {
	if l.swallow.Load() {
		<-l.ctx.Done()
	}
	l.reset()
}

func (l *link) stamp(b []byte) chunk {
	return chunk{due: time.Now().Add(time.Duration(l.proxy.delay.Load())), bytes: b}
}

// send writes what comes out of s to c, each chunk when it is due.
func (l *link) send(s *stream, c *net.TCPConn) {
	defer context.AfterFunc(l.ctx, s.close)()
	for {
		k, ok := s.pop()
		if !ok || !l.wait(k.due) {
			return
		}
		if l.swallow.Load() {
			continue
		}
		if k.bytes == nil {
			c.CloseWrite()
			return
		}
		if _, err := c.Write(k.bytes); err != nil {
			l.lost()
			return
		}
	}
}

// wait returns at the given time, or false when the link is reset before.
func (l *link) wait(due time.Time) bool {
	d := time.Until(due)
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-l.ctx.Done():
		return false
	}
}

// finish ends both connections after what is still to be sent on them.
func (l *link) finish() { l.end((*net.TCPConn).Close) }

// reset ends both connections without a farewell.
func (l *link) reset() { l.end(reset) }

func (l *link) end(how func(*net.TCPConn) error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		return
	}
	l.broken = true
	l.cancel()
	how(l.client)
	if l.server != nil {
		how(l.server)
	}
}

// reset closes c with a RST segment: what its peer would get from a host that
// has forgotten the connection.
func reset(c *net.TCPConn) error {
	c.SetLinger(0)
	return c.Close()
}
