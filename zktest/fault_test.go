package zktest_test

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// quietFor reports whether nothing can be read for d, not even the end of the connection.
func (r *rawConn) quietFor(d time.Duration) bool {
	r.nc.SetReadDeadline(time.Now().Add(d))
	_, err := r.nc.Read(make([]byte, 1))
	ne, ok := err.(interface{ Timeout() bool })
	return ok && ne.Timeout()
}

func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		fault                           zktest.Fault
		applied, replied, open, expired bool
	}{
		{zktest.Pass, true, true, true, false},
		{zktest.DropReply, true, false, false, false},
		{zktest.Refuse, false, false, false, false},
		{zktest.Hang, false, false, true, false},
		{zktest.Cut, true, true, false, false},
		{zktest.ExpireBefore, false, false, false, true},
		{zktest.ExpireAfter, true, false, false, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := zktest.New(t)
			c := dialRaw(t, s)
			s.Fault(func(r zktest.Request) zktest.Fault {
				if r.Path == "/a" {
					return tt.fault
				}
				return zktest.Pass
			})
			c.write(slices.Concat(
				c.request(wire.OpSync, &wire.Path{Path: "/"}),
				c.request(wire.OpCreate, &wire.CreateRequest{Path: "/a", ACL: world}),
				c.request(wire.OpDelete, &wire.PathVersion{Path: "/b", Version: -1})))
			first, xid := c.next-2, c.next-1
			if hdr, _ := c.frame(); hdr.Xid != first {
				t.Errorf("fault %d: reply to %d, want the reply before to be intact", tt.fault, hdr.Xid)
			}
			if tt.replied {
				if hdr, _ := c.frame(); hdr.Xid != xid {
					t.Errorf("fault %d: reply to %d", tt.fault, hdr.Xid)
				}
			}
			switch {
			case tt.fault == zktest.Pass:
				c.frame()
			case tt.open:
				if !c.quietFor(time.Minute) {
					t.Errorf("fault %d: connection is not quiet", tt.fault)
				}
			default:
				if !c.closed() {
					t.Errorf("fault %d: connection is open", tt.fault)
				}
			}
			if got := strings.Contains(s.Tree(), "/a "); got != tt.applied {
				t.Errorf("fault %d: applied %v", tt.fault, got)
			}
			if got := len(s.Sessions()) == 0; got != tt.expired && !tt.open {
				t.Errorf("fault %d: expired %v", tt.fault, got)
			}
		})
	}
}

func TestFaultOfHandshake(t *testing.T) {
	for _, tt := range []struct {
		fault    zktest.Fault
		sessions int
	}{{zktest.Refuse, 0}, {zktest.DropReply, 1}, {zktest.ExpireAfter, 0}, {zktest.ExpireBefore, 0}} {
		s := zktest.New(t)
		s.Fault(func(r zktest.Request) zktest.Fault { return tt.fault })
		c := dialBare(t, s)
		c.write(wire.Frame(&wire.ConnectRequest{Timeout: 4000}))
		if !c.closed() {
			t.Errorf("fault %d: connection is open", tt.fault)
		}
		if got := len(s.Sessions()); got != tt.sessions {
			t.Errorf("fault %d: %d sessions", tt.fault, got)
		}
	}
}

func TestExpireBeforeResuming(t *testing.T) {
	s := zktest.New(t)
	hi := dialRaw(t, s).hi
	s.Fault(func(zktest.Request) zktest.Fault { return zktest.ExpireBefore })
	c := dialBare(t, s)
	c.greet(wire.ConnectRequest{Timeout: 4000, SessionID: hi.SessionID, Passwd: hi.Passwd})
	if c.hi.SessionID != 0 || c.hi.Timeout != 0 {
		t.Errorf("answer %+v", c.hi)
	}
}

func TestFirstFaultWins(t *testing.T) {
	s := zktest.New(t)
	c := dialRaw(t, s)
	var asked []string
	ask := func(name string, f zktest.Fault) func() {
		return s.Fault(func(r zktest.Request) zktest.Fault {
			asked = append(asked, name+" "+r.Op)
			return f
		})
	}
	ask("a", zktest.Pass)
	removeB := ask("b", zktest.Cut)
	ask("c", zktest.Refuse)
	c.call(wire.OpSync, &wire.Path{Path: "/"}, nil)
	removeB()
	c = dialBare(t, s)
	c.write(wire.Frame(&wire.ConnectRequest{Timeout: 4000}))
	if !c.closed() {
		t.Error("not refused")
	}
	if want := []string{"a sync", "b sync", "a connect", "c connect"}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
}

func TestRequests(t *testing.T) {
	s := zktest.New(t)
	c := dialRaw(t, s)
	c.call(wire.OpSync, &wire.Path{Path: "/x"}, nil)
	c.send(wire.OpPing, nil)
	c.frame()
	s.ResetRequests()
	c.call(wire.OpMulti, &wire.MultiRequest{Ops: []wire.MultiOp{{Op: wire.OpCheck, Body: &wire.PathVersion{Path: "/y"}}}}, nil)
	c.call(wire.OpClose, nil, nil)
	id := c.hi.SessionID
	want := []zktest.Request{{"multi", "/y", id, 3, 3}, {"closeSession", "", id, 4, 4}}
	if got := s.Requests(); !slices.Equal(got, want) {
		t.Errorf("requests %+v, want %+v", got, want)
	}
}

func TestPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := zktest.New(t)
		c, other := dialRaw(t, s), dialRaw(t, s)
		heal := s.Partition(c.hi.SessionID)
		c.send(wire.OpCreate, &wire.CreateRequest{Path: "/a", ACL: world})
		again := dialBare(t, s)
		again.write(wire.Frame(&wire.ConnectRequest{Timeout: 4000, SessionID: c.hi.SessionID, Passwd: c.hi.Passwd}))
		for range 3 {
			if !c.quietFor(time.Second) || !again.quietFor(time.Second) {
				t.Error("received something through the partition")
			}
			other.call(wire.OpSync, &wire.Path{Path: "/"}, nil)
		}
		if got := s.Tree(); got != "" {
			t.Errorf("sent through the partition: %s", got)
		}
		if got := s.Sessions(); !slices.Equal(got, []int64{other.hi.SessionID}) {
			t.Errorf("sessions %x", got)
		}
		heal()
		if !c.closed() || !again.closed() {
			t.Error("connections are open after the partition")
		}
		last := dialBare(t, s)
		last.greet(wire.ConnectRequest{Timeout: 4000, SessionID: c.hi.SessionID, Passwd: c.hi.Passwd})
		if last.hi.SessionID != 0 {
			t.Error("the session has not expired")
		}
	})
}

func TestPartitionAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := zktest.New(t)
		c := dialRaw(t, s)
		heal := s.PartitionAll()
		fresh := dialBare(t, s)
		fresh.write(wire.Frame(&wire.ConnectRequest{Timeout: 4000}))
		if !c.quietFor(time.Second) || !fresh.quietFor(time.Second) {
			t.Error("received something through the partition")
		}
		heal()
		heal()
		if !c.closed() || !fresh.closed() {
			t.Error("connections are open after the partition")
		}
		dialRaw(t, s)
	})
}

func TestIsolate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := zktest.New(t)
		c, other := dialRaw(t, s), dialRaw(t, s)
		c.call(wire.OpCreate, &wire.CreateRequest{Path: "/e", ACL: world, Flags: wire.FlagEphemeral}, nil)
		c.call(wire.OpGetData, &wire.PathWatch{Path: "/e", Watch: true}, nil)
		heal := s.Isolate(c.hi.SessionID)
		other.call(wire.OpExists, &wire.PathWatch{Path: "/e", Watch: true}, nil)
		for range 6 {
			c.send(wire.OpPing, nil)
			if hdr, _ := c.frame(); hdr.Xid != wire.XidPing {
				t.Fatalf("reply %+v", hdr)
			}
			c.call(wire.OpGetChildren, &wire.PathWatch{Path: "/"}, nil)
			other.send(wire.OpPing, nil)
			other.frame()
			time.Sleep(time.Second)
		}
		if got := s.Sessions(); !slices.Equal(got, []int64{other.hi.SessionID}) {
			t.Errorf("sessions %x", got)
		}
		c.send(wire.OpSync, &wire.Path{Path: "/"})
		c.send(wire.OpGetChildren, &wire.PathWatch{Path: "/"})
		c.send(wire.OpPing, nil)
		if hdr, _ := c.frame(); hdr.Xid != wire.XidPing {
			t.Errorf("reply %+v", hdr)
		}
		if !c.quietFor(time.Second) {
			t.Error("a sync was answered")
		}
		heal()
		if !c.closed() {
			t.Error("connection is open")
		}
	})
}

func TestJumpSequence(t *testing.T) {
	s := zktest.New(t)
	c := dialRaw(t, s)
	c.call(wire.OpCreate, &wire.CreateRequest{Path: "/a", ACL: world}, nil)
	s.JumpSequence("/a", math.MaxInt32)
	for _, want := range []string{"/a/n2147483647", "/a/n-2147483648", "/a/n-2147483647"} {
		var got wire.Path
		c.call(wire.OpCreate, &wire.CreateRequest{Path: "/a/n", ACL: world, Flags: wire.FlagSequential}, &got)
		if got.Path != want {
			t.Errorf("created %s, want %s", got.Path, want)
		}
	}
}

func TestEndSequenceInBursts(t *testing.T) {
	s := zktest.New(t)
	c := dialRaw(t, s)
	c.call(wire.OpCreate, &wire.CreateRequest{Path: "/a", ACL: world}, nil)
	s.EndSequenceInBursts("/a", 3)
	for i, want := range []string{"2147483647", "-2147483648", "-2147483647", "2147483647", "-2147483648"} {
		var got wire.Path
		name := "/a/" + string(rune('a'+i))
		c.call(wire.OpCreate, &wire.CreateRequest{Path: name, ACL: world, Flags: wire.FlagSequential}, &got)
		if got.Path != name+want {
			t.Errorf("created %s, want %s", got.Path, name+want)
		}
	}
	s.EndSequence("/a")
	var got wire.Path
	c.call(wire.OpCreate, &wire.CreateRequest{Path: "/a/z", ACL: world, Flags: wire.FlagSequential}, &got)
	if got.Path != "/a/z2147483647" {
		t.Errorf("created %s after the bursts", got.Path)
	}
}

// recorder is a test that records its errors.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Helper() {}

func (r *recorder) Errorf(format string, args ...any) { r.errors = append(r.errors, format) }

func TestLeaks(t *testing.T) {
	s := zktest.New(t)
	c := dialRaw(t, s)
	c.call(wire.OpCreate, &wire.CreateRequest{Path: "/a", ACL: world}, nil)
	c.call(wire.OpCreate, &wire.CreateRequest{Path: "/a/e", ACL: world, Flags: wire.FlagEphemeral}, nil)
	c.call(wire.OpExists, &wire.PathWatch{Path: "/b", Watch: true}, nil)
	for _, tt := range []struct {
		roots []string
		want  int
	}{{nil, 3}, {[]string{"/a"}, 1}, {[]string{"/b"}, 1}, {[]string{"/a", "/b"}, 0}, {[]string{"/"}, 0}} {
		r := &recorder{TB: t}
		s.Leaks(r, tt.roots...)
		if len(r.errors) != tt.want {
			t.Errorf("with %q allowed: %q", tt.roots, r.errors)
		}
	}
	c.call(wire.OpClose, nil, nil)
	s.Leaks(t)
}

func TestStopCutsAndRefuses(t *testing.T) {
	s := zktest.New(t)
	addr := s.Addr()
	c := dialRaw(t, s)
	s.Stop()
	if !c.closed() {
		t.Error("connection is open")
	}
	if _, err := s.DialContext(t.Context(), "tcp", addr); err == nil {
		t.Error("connected to a stopped server")
	}
	if err := s.Restart(); err != nil {
		t.Fatal(err)
	}
	if s.Addr() != addr {
		t.Errorf("address %s, was %s", s.Addr(), addr)
	}
	s.Close()
	if _, err := c.nc.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("read: %v", err)
	}
	if err := s.Restart(); err == nil {
		t.Error("restarted a closed server")
	}
}

// No other request is served between the call of a fault function and the request that it
// decides on.
func TestFaultAndRequestAreOneStep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, other := srv.Session(t), srv.Session(t)
		const n = 5000
		unseen := make(chan string, n)
		srv.Fault(func(r zktest.Request) zktest.Fault {
			if r.Op == "create2" {
				go func() {
					if _, ok, err := other.Exists(t.Context(), r.Path); !ok || err != nil {
						unseen <- r.Path
						return
					}
					unseen <- ""
				}()
			}
			return zktest.Pass
		})
		for i := range n {
			testkit.Create(t, s, fmt.Sprintf("/%d", i), "")
		}
		missed := 0
		for range n {
			if <-unseen != "" {
				missed++
			}
		}
		if missed > 0 {
			t.Errorf("%d of %d reads that arrived after a create were served before it", missed, n)
		}
	})
}
