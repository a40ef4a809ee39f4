package zktest

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// A memConn is one end of a connection in memory. Unlike net.Pipe it buffers:
// a write never waits for the reader, and what was written before a close can
// still be read after it. All its waiting is on condition variables, so it
// blocks durably in a testing/synctest bubble.
type memConn struct {
	in, out       *buffer
	local, remote memAddr
}

type memAddr string

func (memAddr) Network() string  { return "memory" }
func (a memAddr) String() string { return string(a) }

// newPipe returns both ends of a connection.
func newPipe(client, server memAddr) (*memConn, *memConn) {
	up, down := newBuffer(), newBuffer()
	return &memConn{in: down, out: up, local: client, remote: server},
		&memConn{in: up, out: down, local: server, remote: client}
}

func (c *memConn) Read(b []byte) (int, error)  { return c.in.read(b) }
func (c *memConn) Write(b []byte) (int, error) { return c.out.write(b) }
func (c *memConn) LocalAddr() net.Addr         { return c.local }
func (c *memConn) RemoteAddr() net.Addr        { return c.remote }

// Close ends both directions. What was written before is still delivered.
func (c *memConn) Close() error {
	c.in.abandon()
	c.out.end()
	return nil
}

func (c *memConn) SetDeadline(t time.Time) error {
	c.in.readDeadline.set(t)
	c.out.writeDeadline.set(t)
	return nil
}

func (c *memConn) SetReadDeadline(t time.Time) error {
	c.in.readDeadline.set(t)
	return nil
}

func (c *memConn) SetWriteDeadline(t time.Time) error {
	c.out.writeDeadline.set(t)
	return nil
}

// A buffer is one direction of a connection.
type buffer struct {
	mu            sync.Mutex
	changed       sync.Cond
	data          []byte
	ended         bool // no more will be written
	abandoned     bool // no more will be read
	readDeadline  deadline
	writeDeadline deadline
}

func newBuffer() *buffer {
	b := &buffer{}
	b.changed.L = &b.mu
	b.readDeadline.buffer, b.writeDeadline.buffer = b, b
	return b
}

func (b *buffer) read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for {
		switch {
		case b.abandoned:
			return 0, net.ErrClosed
		case b.readDeadline.passed:
			return 0, os.ErrDeadlineExceeded
		case len(b.data) > 0 || len(p) == 0:
			n := copy(p, b.data)
			if b.data = b.data[n:]; len(b.data) == 0 {
				b.data = nil
			}
			return n, nil
		case b.ended:
			return 0, io.EOF
		}
		b.changed.Wait()
	}
}

func (b *buffer) write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.ended:
		return 0, net.ErrClosed
	case b.abandoned:
		return 0, io.ErrClosedPipe
	case b.writeDeadline.passed:
		return 0, os.ErrDeadlineExceeded
	}
	b.data = append(b.data, p...)
	b.changed.Broadcast()
	return len(p), nil
}

func (b *buffer) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	b.writeDeadline.stop()
	b.changed.Broadcast()
}

func (b *buffer) abandon() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.abandoned, b.data = true, nil
	b.readDeadline.stop()
	b.changed.Broadcast()
}

// A deadline belongs to a buffer and is guarded by its lock.
type deadline struct {
	buffer *buffer
	timer  *time.Timer
	passed bool
}

func (d *deadline) set(t time.Time) {
	b := d.buffer
	b.mu.Lock()
	defer b.mu.Unlock()
	d.stop()
	d.passed = false
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		d.passed = true
		b.changed.Broadcast()
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(wait, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if d.timer == timer { // not set anew while this one was about to fire
			d.passed = true
			b.changed.Broadcast()
		}
	})
	d.timer = timer
}

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}
