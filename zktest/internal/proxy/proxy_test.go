package proxy

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// echo starts a server that sends back what it receives, and returns its address.
func echo(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	t.Cleanup(func() { ln.Close(); all.Wait() })
	all.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				io.Copy(c, c)
			})
		}
	})
	return ln.Addr().String()
}

func startProxy(t *testing.T, target string, opts Options) *Proxy {
	t.Helper()
	p, err := New(target, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// through opens a connection through the proxy whose reads and writes have a deadline.
func through(t *testing.T, p *Proxy) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(time.Minute))
	return c.(*net.TCPConn)
}

func ask(t *testing.T, c net.Conn, what string) {
	t.Helper()
	if _, err := io.WriteString(c, what); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(what))
	if _, err := io.ReadFull(c, got); err != nil || string(got) != what {
		t.Fatalf("asked %q, got %q, %v", what, got, err)
	}
}

// silent reports whether nothing can be read from c, not even its end.
func silent(c net.Conn) bool {
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	defer c.SetReadDeadline(time.Now().Add(time.Minute))
	_, err := c.Read(make([]byte, 1))
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// ended reports whether c ends before a byte can be read.
func ended(c net.Conn) bool {
	_, err := c.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// refuses reports whether a new connection fails or ends at once.
func refuses(p *Proxy) bool {
	c, err := net.Dial("tcp", p.Addr())
	if err != nil {
		return true
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(time.Minute))
	return ended(c)
}

func TestProxyPasses(t *testing.T) {
	p := startProxy(t, echo(t), Options{})
	c := through(t, p)
	sent := make([]byte, 4<<20)
	rand.Read(sent)
	go func() {
		c.Write(sent)
		c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes came back of %d, %v", len(got), len(sent), err)
	}
}

func TestProxyCut(t *testing.T) {
	p := startProxy(t, echo(t), Options{})
	old := through(t, p)
	ask(t, old, "before")
	heal, healOther := p.Cut(), p.Cut()
	if _, err := io.WriteString(old, "lost"); err != nil {
		t.Fatal(err)
	}
	fresh := through(t, p)
	if !silent(old) || !silent(fresh) {
		t.Error("something was forwarded during the cut")
	}
	heal()
	heal()
	if !silent(through(t, p)) {
		t.Error("the second cut ended with the first")
	}
	healOther()
	if !ended(old) || !ended(fresh) {
		t.Error("a connection outlived the cut")
	}
	ask(t, through(t, p), "after")
}

// A partition hides the end of a connection from the other peer.
func TestProxyCutHidesTheEnd(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	p := startProxy(t, ln.Addr().String(), Options{})
	client := through(t, p)
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	heal := p.Cut()
	client.Close()
	if !silent(server) {
		t.Error("the server noticed that the client closed the connection")
	}
	heal()
	server.SetDeadline(time.Now().Add(time.Minute))
	if !ended(server) {
		t.Error("the server's connection outlived the cut")
	}
}

func TestProxyReject(t *testing.T) {
	p := startProxy(t, echo(t), Options{})
	old := through(t, p)
	ask(t, old, "before")
	heal := p.Reject()
	if !ended(old) || !refuses(p) {
		t.Error("a connection was not reset")
	}
	heal()
	ask(t, through(t, p), "after")
}

func TestProxyReset(t *testing.T) {
	p := startProxy(t, echo(t), Options{})
	c := through(t, p)
	ask(t, c, "before")
	if n := p.Connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
	p.Reset()
	if !ended(c) {
		t.Error("the connection was not reset")
	}
	ask(t, through(t, p), "after")
}

func TestProxyWithoutTarget(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	p := startProxy(t, ln.Addr().String(), Options{})
	if !refuses(p) {
		t.Error("a connection without a target was not reset")
	}
	waiting := startProxy(t, ln.Addr().String(), Options{DialTimeout: time.Minute})
	c := through(t, waiting)
	if !silent(c) {
		t.Error("a connection was reset before the dial timeout")
	}
}

// Requests sent back to back are answered after one round trip, not after one each.
// There are so many that one round trip is shorter than that even on a busy machine.
func TestProxyDelay(t *testing.T) {
	const delay, requests = 50 * time.Millisecond, 400
	p := startProxy(t, echo(t), Options{})
	c := through(t, p)
	ask(t, c, "before")
	p.Delay(delay)
	begin := time.Now()
	for range requests {
		if _, err := c.Write([]byte{1}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.ReadFull(c, make([]byte, requests)); err != nil {
		t.Fatal(err)
	}
	took := time.Since(begin)
	if took < 2*delay {
		t.Errorf("a round trip in %v", took)
	}
	if took > requests*delay {
		t.Errorf("%d requests took %v: one waited for the other", requests, took)
	}
	p.Delay(0)
	ask(t, c, "after")
}

func TestProxyCloseEndsEverything(t *testing.T) {
	p := startProxy(t, echo(t), Options{})
	c := through(t, p)
	ask(t, c, "before")
	p.Cut()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if !ended(c) {
		t.Error("a connection outlived the proxy")
	}
	var d net.Dialer
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if c, err := d.DialContext(ctx, "tcp", p.Addr()); err == nil {
		c.Close()
		t.Error("a closed proxy listens")
	}
}
