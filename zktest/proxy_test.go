package zktest_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/zktest"
)

func TestProxyForwardsUntilReset(t *testing.T) {
	target, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	reserved, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := reserved.Addr().String()
	reserved.Close()
	p, err := zktest.NewProxy(target.Addr().String(), zktest.WithProxyAddr(addr))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.Addr() != addr {
		t.Errorf("the proxy listens on %s, not %s", p.Addr(), addr)
	}
	client, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.SetDeadline(time.Now().Add(time.Minute))
	server, err := target.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	const delay = 10 * time.Millisecond
	p.Delay(delay)
	start := time.Now()
	if _, err := server.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(client, make([]byte, 1)); err != nil || time.Since(start) < delay {
		t.Errorf("a byte came after %v: %v", time.Since(start), err)
	}
	if n := p.Connections(); n != 1 {
		t.Errorf("%d connections", n)
	}
	p.Reset()
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the connection was not reset")
	}
}
