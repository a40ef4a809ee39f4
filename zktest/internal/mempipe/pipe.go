// Package mempipe provides connections in memory that work in testing/synctest bubbles.
package mempipe

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// A Conn is one end of a connection in memory. Unlike net.Pipe it buffers: a write
// never blocks, and data that was written before a close can be read after it. It
// waits on condition variables only, so it blocks durably in a testing/synctest bubble.
type Conn struct {
	in, out       *buffer
	local, remote Addr
}

// An Addr is the address of one end of a connection.
type Addr string

// Network returns "memory".
func (Addr) Network() string { return "memory" }

// String returns the address.
func (a Addr) String() string { return string(a) }

// New returns the two ends of a connection: the client's and the server's.
func New(client, server Addr) (*Conn, *Conn) {
	up, down := newBuffer(), newBuffer()
	return &Conn{in: down, out: up, local: client, remote: server},
		&Conn{in: up, out: down, local: server, remote: client}
}

// Read blocks until there is data, the other end is closed, or the deadline passes.
func (c *Conn) Read(b []byte) (int, error) { return c.in.read(b) }

// Write appends b to the buffer of the other end. It does not block.
func (c *Conn) Write(b []byte) (int, error) { return c.out.write(b) }

// LocalAddr returns the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr returns the address of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.remote }

// Close closes both directions. The other end can still read what was written before.
func (c *Conn) Close() error {
	c.in.abandon()
	c.out.end()
	return nil
}

// SetDeadline sets the deadlines of reads and writes.
func (c *Conn) SetDeadline(t time.Time) error {
	c.in.readDeadline.set(t)
	c.out.writeDeadline.set(t)
	return nil
}

// SetReadDeadline sets the deadline of reads, also of one that is blocked.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.in.readDeadline.set(t)
	return nil
}

// SetWriteDeadline sets the deadline of writes.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.out.writeDeadline.set(t)
	return nil
}

// A buffer is one direction of a connection.
type buffer struct {
	mu            sync.Mutex
	changed       sync.Cond
	data          []byte
	ended         bool // the writer has closed
	abandoned     bool // the reader has closed
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

// A deadline is a read or write deadline of a buffer. buffer.mu guards it.
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
		if d.timer == timer { // not replaced while this timer was about to fire
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
