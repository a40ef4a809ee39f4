package zktest_test

import (
	"flag"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest"
)

var scale = flag.Int("scale", 5, "percent of the limits that TestLimits reaches")

// flood sends n pipelined requests and reads their replies, which must be in order. It
// ignores events.
func (r *rawConn) flood(n int, op wire.Op, body func(int) wire.Record) {
	r.t.Helper()
	go func() {
		var b []byte
		for i := range n {
			b = append(b, wire.Frame(&wire.RequestHeader{Xid: int32(i + 1), Op: op}, body(i))...)
			if len(b) > 1<<15 || i == n-1 {
				r.nc.Write(b)
				b = nil
			}
		}
	}()
	for i := 0; i < n; {
		hdr, _ := r.frame()
		if hdr.Xid == wire.XidNotification {
			continue
		}
		if i++; hdr.Err != wire.OK || hdr.Xid != int32(i) {
			r.t.Fatalf("%v: reply %d: %+v", op, i, hdr)
		}
	}
}

// TestLimits: ten thousand sessions, a million nodes, a hundred thousand
// watches, and a node with a hundred thousand children.
func TestLimits(t *testing.T) {
	of := func(n int) int { return n * *scale / 100 }
	s := zktest.New(t, zktest.WithTimeouts(time.Hour, time.Hour))
	var last time.Time
	lap := func(what string, n int) {
		t.Logf("%d %s in %v", n, what, time.Since(last).Round(time.Millisecond))
		last = time.Now()
	}
	last = time.Now()
	var clients []*rawConn
	for range of(10_000) {
		clients = append(clients, dialRaw(t, s))
	}
	lap("sessions", len(clients))
	c := clients[0]
	create := func(path string) *wire.CreateRequest { return &wire.CreateRequest{Path: path, ACL: world} }
	c.call(wire.OpCreate, create("/wide"), nil)
	c.flood(of(100_000), wire.OpCreate, func(i int) wire.Record { return create(fmt.Sprint("/wide/", i)) })
	lap("children of one node", of(100_000))
	var r wire.ChildrenResponse
	c.call(wire.OpGetChildren2, &wire.PathWatch{Path: "/wide"}, &r)
	if len(r.Children) != of(100_000) {
		t.Errorf("%d children", len(r.Children))
	}
	lap("of them listed", len(r.Children))
	c.flood(of(1000), wire.OpCreate, func(i int) wire.Record { return create(fmt.Sprint("/", i)) })
	c.flood(of(1000)*900, wire.OpCreate, func(i int) wire.Record { return create(fmt.Sprint("/", i%of(1000), "/", i)) })
	lap("nodes", of(1000)*901)
	for i, w := range clients {
		w.flood(10, wire.OpGetData, func(k int) wire.Record {
			return &wire.PathWatch{Path: fmt.Sprint("/wide/", (i*10+k)%of(100_000)), Watch: true}
		})
	}
	if got := len(s.Watches()); got != 10*len(clients) {
		t.Errorf("%d watches", got)
	}
	lap("watches", 10*len(clients))
	for _, w := range clients {
		w.call(wire.OpGetChildren, &wire.PathWatch{Path: "/", Watch: true}, nil)
	}
	c.send(wire.OpCreate, create("/news"))
	for _, w := range clients {
		if hdr, _ := w.frame(); hdr.Xid != wire.XidNotification {
			t.Fatalf("reply %+v", hdr)
		}
	}
	lap("sessions notified of one event", len(clients))
	var memory runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&memory)
	t.Logf("%d MB in use, clients included", memory.HeapInuse>>20)
}
