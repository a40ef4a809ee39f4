package session

import (
	"io"
	"net"
	"testing"
)

// A connection may break on the side that writes while the side that reads is
// about to open it for requests. It stays closed for them, since nobody would
// close it again, and the next one serves.
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
