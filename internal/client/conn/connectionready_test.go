package conn

import (
	"io"
	"log/slog"
	"net"
	"testing"
)

// If writing to a connection fails while its reader is about to make it ready for requests,
// it does not become the current one, since it would not be detached again. The next
// connection is used.
func TestBrokenBeforeReady(t *testing.T) {
	cr := NewConnector(Config{Servers: []string{"zk1:2181"}, Log: slog.New(slog.DiscardHandler)})
	connected := 0
	cc := cr.NewConn(func(_ string, reason error, _ bool) {
		if reason == nil {
			connected++
		}
	})
	open := func() *transport {
		c, _ := net.Pipe()
		return newTransport(cc, target{label: "zk1:2181"}, c)
	}
	first := open()
	first.fail(io.EOF)
	cc.ready(first)
	if t1, _ := cc.gate(); t1 != nil {
		t.Error("a broken connection is used")
	}
	if server := cc.State().Server; server != "" || connected > 0 {
		t.Errorf("the Conn is connected to %q, as reported %d times", server, connected)
	}
	second := open()
	cc.ready(second)
	if t2, _ := cc.gate(); t2 != second {
		t.Error("the next connection is not used")
	}
	second.fail(io.EOF)
	if t2, _ := cc.gate(); t2 != nil {
		t.Error("a connection is used after it has broken")
	}
	cr.Wait()
}
