package zktest

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

// echo starts a server that sends back what it gets, and returns its address.
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

func startProxy(t *testing.T, target string, opts ...ProxyOption) *Proxy {
	t.Helper()
	p, err := NewProxy(target, opts...)
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

// through opens a connection that fails, rather than hangs, in time.
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

// silent reports whether nothing comes out of c, not even its end.
func silent(c net.Conn) bool {
	c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	defer c.SetReadDeadline(time.Now().Add(time.Minute))
	_, err := c.Read(make([]byte, 1))
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// ended reports whether c ends without a word more.
func ended(c net.Conn) bool {
	_, err := c.Read(make([]byte, 1))
	return err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// refuses reports whether a new connection ends at once, which may be before
// it is known to be there.
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
	p := startProxy(t, echo(t))
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
	p := startProxy(t, echo(t))
	old := through(t, p)
	ask(t, old, "before")
	heal, healOther := p.Cut(), p.Cut()
	if _, err := io.WriteString(old, "lost"); err != nil {
		t.Fatal(err)
	}
	fresh := through(t, p)
	if !silent(old) || !silent(fresh) {
		t.Error("something came out of a black hole")
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

// The end of one side is among the things that a partition keeps from the
// other.
func TestProxyCutHidesTheEnd(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	p := startProxy(t, ln.Addr().String())
	client := through(t, p)
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	heal := p.Cut()
	client.Close()
	if !silent(server) {
		t.Error("the server heard of the client's end")
	}
	heal()
	server.SetDeadline(time.Now().Add(time.Minute))
	if !ended(server) {
		t.Error("the server's connection outlived the cut")
	}
}

func TestProxyReject(t *testing.T) {
	p := startProxy(t, echo(t))
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
	p := startProxy(t, echo(t))
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
	p := startProxy(t, ln.Addr().String())
	if !refuses(p) {
		t.Error("a connection to nobody lives")
	}
	patient := startProxy(t, ln.Addr().String(), withPatience(time.Minute))
	c := through(t, patient)
	if !silent(c) {
		t.Error("a patient proxy has none")
	}
}

// Requests sent back to back come back after one round trip, not one each. There
// are so many of them that no busy machine makes one take as long.
func TestProxyDelay(t *testing.T) {
	const delay, requests = 50 * time.Millisecond, 400
	p := startProxy(t, echo(t))
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
	p := startProxy(t, echo(t))
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

func TestElectionAddress(t *testing.T) {
	p := startProxy(t, "127.0.0.1:1")
	f := electionAddress(&peerLink{election: p})
	message := func(version byte, addr string) []byte {
		b := bytes.Repeat([]byte{version}, 8)
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, byte(len(addr)))
		return append(b, addr...)
	}
	got, err := f(bytes.NewReader(message(0xff, "127.0.0.1:3888")))
	if want := message(0xff, p.Addr()); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %q, %v, not %q", got, err, want)
	}
	old := []byte{0, 0, 0, 0, 0, 0, 0, 2}
	if got, err := f(bytes.NewReader(old)); err != nil || !bytes.Equal(got, old) {
		t.Errorf("an id alone became %q, %v", got, err)
	}
	if _, err := f(bytes.NewReader(message(0xff, "127.0.0.1:3888")[:25])); err == nil {
		t.Error("half a message passed")
	}
}
