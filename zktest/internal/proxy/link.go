package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
)

// redialInterval is the pause between two attempts to dial the target.
const redialInterval = 10 * time.Millisecond

// A link is one connection through a proxy.
type link struct {
	proxy  *Proxy
	client *net.TCPConn
	cut    atomic.Bool // nothing is forwarded any more; never reset to false

	ctx    context.Context // done when the link has been reset
	cancel context.CancelFunc

	mu     sync.Mutex
	server *net.TCPConn // nil before it is dialed
	broken bool
}

func newLink(p *Proxy, client *net.TCPConn) *link {
	l := &link{proxy: p, client: client}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// run forwards bytes until both directions have ended or the link is reset.
func (l *link) run() {
	defer l.reset()
	if l.cut.Load() {
		// The target is not dialed: a partitioned server must not see the client.
		io.Copy(io.Discard, l.client)
		<-l.ctx.Done()
		return
	}
	if !l.dial() {
		return
	}
	var both sync.WaitGroup
	request, reply := newStream(), newStream()
	both.Go(func() { l.receive(l.client, request, l.proxy.opts.Preamble) })
	both.Go(func() { l.send(request, l.server) })
	both.Go(func() { l.receive(l.server, reply, nil) })
	both.Go(func() { l.send(reply, l.client) })
	both.Wait()
	l.finish()
}

// dial connects to the target. It retries until Options.DialTimeout is over.
func (l *link) dial() bool {
	var d net.Dialer
	for deadline := time.Now().Add(l.proxy.opts.DialTimeout); ; {
		c, err := d.DialContext(l.ctx, "tcp", l.proxy.target)
		if err == nil {
			return l.dialed(c.(*net.TCPConn))
		}
		if time.Now().After(deadline) || !l.wait(time.Now().Add(redialInterval)) {
			return false
		}
	}
}

func (l *link) dialed(c *net.TCPConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		reset(c)
		return false
	}
	l.server = c
	return true
}

// receive reads from c into s. Once the link is cut it drops what it reads. If the peer
// of c closes its side in order, the end is forwarded through s; any other error resets
// the link at once.
func (l *link) receive(c *net.TCPConn, s *stream, first Preamble) {
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
		if n > 0 && !l.cut.Load() {
			s.push(l.stamp(append([]byte(nil), buf[:n]...)))
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) && !l.cut.Load():
			s.push(l.stamp(nil))
			return
		default:
			l.lost()
			return
		}
	}
}

// lost resets the link after one of its connections has failed. While the link is cut,
// it waits for the end of the cut, so that the other peer does not notice.
func (l *link) lost() {
	if l.cut.Load() {
		<-l.ctx.Done()
	}
	l.reset()
}

func (l *link) stamp(b []byte) chunk {
	return chunk{due: time.Now().Add(time.Duration(l.proxy.delay.Load())), bytes: b}
}

// send writes the chunks of s to c, each one when it is due.
func (l *link) send(s *stream, c *net.TCPConn) {
	defer context.AfterFunc(l.ctx, s.close)()
	for {
		k, ok := s.pop()
		if !ok || !l.wait(k.due) {
			return
		}
		if l.cut.Load() {
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

// wait blocks until the given time. It returns false if the link is reset before.
func (l *link) wait(due time.Time) bool {
	return backoff.Sleep(time.Until(due), l.ctx) == nil
}

// finish closes both connections; what was written to them is still sent.
func (l *link) finish() { l.closeBoth((*net.TCPConn).Close) }

// reset ends both connections with a RST segment.
func (l *link) reset() { l.closeBoth(reset) }

func (l *link) closeBoth(how func(*net.TCPConn) error) {
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

// reset closes c with a RST segment, which is what its peer would get from a host that
// has restarted.
func reset(c *net.TCPConn) error {
	c.SetLinger(0)
	return c.Close()
}
