package session

import (
	"io"
	"net"
	"testing"
)

// If writing to a connection fails while its reader is about to make it ready for requests,
// it does not become the current one, since it would not be detached again. The next
// connection is used.
func TestBrokenBeforeReady(t *testing.T) {
	o, err := newOptions(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &Session{opts: o, servers: []string{"zk1:2181"}, statuses: newStatusHistory(Status{State: Connecting, Epoch: 1})}
	l := s.renew(1).link
	open := func() *transport {
		c, _ := net.Pipe()
		return newTransport(l, target{label: "zk1:2181"}, c)
	}
	first := open()
	first.fail(io.EOF)
	l.ready(first)
	if t1, _ := l.gate(); t1 != nil {
		t.Error("a broken connection is used")
	}
	if st := s.Status().State; st == Connected {
		t.Errorf("the session is %v", st)
	}
	second := open()
	l.ready(second)
	if t2, _ := l.gate(); t2 != second {
		t.Error("the next connection is not used")
	}
	second.fail(io.EOF)
	if t2, _ := l.gate(); t2 != nil {
		t.Error("a connection is used after it has broken")
	}
	s.goroutines.Wait()
}
