package zktest_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// dialBare connects in memory without a handshake.
func dialBare(t *testing.T, s *zktest.Server) *rawConn {
	t.Helper()
	nc, err := s.DialContext(t.Context(), "tcp", "zk:2181")
	if err != nil {
		t.Fatal(err)
	}
	return newRaw(t, nc)
}

func TestHandshake(t *testing.T) {
	s := zktest.New(t, zktest.WithTimeouts(time.Second, 10*time.Second))
	first := dialRaw(t, s)
	known, passwd := first.hi.SessionID, first.hi.Passwd
	tests := []struct {
		name    string
		req     wire.ConnectRequest
		timeout int32 // of the reply; 0 if the session has expired
		resumed bool
	}{
		{"new", wire.ConnectRequest{Timeout: 4000}, 4000, false},
		{"new, with the flag", wire.ConnectRequest{Timeout: 4000, HasReadOnly: true}, 4000, false},
		{"too short", wire.ConnectRequest{Timeout: 1}, 1000, false},
		{"too long", wire.ConnectRequest{Timeout: 1 << 30}, 10000, false},
		{"unknown", wire.ConnectRequest{Timeout: 4000, SessionID: 4711, Passwd: passwd}, 0, false},
		{"wrong password", wire.ConnectRequest{Timeout: 4000, SessionID: known, Passwd: make([]byte, 16)}, 0, false},
		{"resumed", wire.ConnectRequest{Timeout: 5000, SessionID: known, Passwd: passwd}, 5000, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := dialBare(t, s)
			c.greet(tt.req)
			if c.hi.Timeout != tt.timeout || c.hi.HasReadOnly != tt.req.HasReadOnly || len(c.hi.Passwd) != 16 {
				t.Errorf("answer %+v", c.hi)
			}
			if tt.resumed != (c.hi.SessionID == known) {
				t.Errorf("session %#x", c.hi.SessionID)
			}
			if tt.timeout == 0 && (c.hi.SessionID != 0 || !c.closed()) {
				t.Errorf("not refused: %+v", c.hi)
			}
		})
	}
	if !first.closed() {
		t.Error("the old connection of the session is open")
	}
	ahead := dialBare(t, s)
	ahead.write(wire.Frame(&wire.ConnectRequest{LastZxidSeen: 1 << 40}))
	if !ahead.closed() {
		t.Error("answered a client that has seen a later zxid")
	}
}

func TestMalformed(t *testing.T) {
	s := zktest.New(t, zktest.WithMaxBuffer(1000))
	length := func(n int32) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }
	for name, b := range map[string][]byte{
		"negative length": length(-5),
		"too long":        length(1001),
		"no header":       append(length(3), 1, 2, 3),
		"bad auth":        wire.Frame(&wire.RequestHeader{Xid: 1, Op: wire.OpAuth}),
	} {
		t.Run(name, func(t *testing.T) {
			c := dialRaw(t, s)
			c.write(b)
			if !c.closed() {
				t.Error("connection is open")
			}
		})
	}
	t.Run("handshake", func(t *testing.T) {
		c := dialBare(t, s)
		c.write(append(length(7), "garbage"...))
		if !c.closed() {
			t.Error("connection is open")
		}
	})
	t.Run("body", func(t *testing.T) {
		c := dialRaw(t, s)
		for _, op := range []wire.Op{wire.OpCreate, wire.OpGetData, wire.OpMulti, wire.OpSetWatches, wire.OpSetACL} {
			if hdr := c.call(op, nil, nil); hdr.Err != wire.CodeMarshallingError {
				t.Errorf("%v: %v", op, hdr.Err)
			}
		}
	})
	t.Run("noise", func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		for range 200 {
			c := dialRaw(t, s)
			for range 20 {
				body := make([]byte, rng.IntN(60))
				for i := range body {
					body[i] = byte(rng.Uint32() & rng.Uint32()) // few bits set, so that some lengths are short
				}
				ops := []wire.Op{1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 14, 15, 16, 17, 18, 19, 20, 21, 22, 101, 103, 104, 105, 106}
				req := wire.Frame(&wire.RequestHeader{Xid: 1, Op: ops[rng.IntN(len(ops))]})
				binary.BigEndian.PutUint32(req, uint32(len(req)-4+len(body)))
				c.nc.Write(append(req, body...))
			}
			c.nc.Close()
		}
		dialRaw(t, s).call(wire.OpSync, &wire.Path{Path: "/"}, nil)
	})
}

func TestUnknownSchemeOfAuth(t *testing.T) {
	s := zktest.New(t)
	c := dialRaw(t, s)
	if hdr := c.call(wire.OpAuth, &wire.AuthRequest{Scheme: "kerberos"}, nil); hdr.Err != wire.CodeAuthFailed || hdr.Zxid != 0 {
		t.Errorf("reply %+v", hdr)
	}
	if !c.closed() {
		t.Error("connection is open")
	}
}

func TestSuper(t *testing.T) {
	s := zktest.New(t, zktest.WithSuperDigest("super:xQJmxLMiHGwaqBvst5y6rkB6HQs=")) // the password is admin
	c := dialRaw(t, s)
	nobody := []wire.ACL{{Perms: 0, Scheme: "world", ID: "anyone"}}
	c.call(wire.OpCreate, &wire.CreateRequest{Path: "/a", ACL: nobody}, nil)
	for _, tt := range []struct {
		auth string
		want wire.Code
	}{{"super:wrong", wire.CodeNoAuth}, {"super:admin", wire.OK}} {
		c.call(wire.OpAuth, &wire.AuthRequest{Scheme: "digest", Auth: []byte(tt.auth)}, nil)
		if hdr := c.call(wire.OpGetData, &wire.PathWatch{Path: "/a"}, nil); hdr.Err != tt.want {
			t.Errorf("with %s: %v, want %v", tt.auth, hdr.Err, tt.want)
		}
	}
}

// A session receives the event of its own change before the reply, and all events in the
// order of their transactions.
func TestEventsComeBeforeReplies(t *testing.T) {
	s := zktest.New(t)
	c := dialRaw(t, s)
	c.call(wire.OpCreate, &wire.CreateRequest{Path: "/a", ACL: world}, nil)
	c.call(wire.OpGetData, &wire.PathWatch{Path: "/a", Watch: true}, nil)
	c.call(wire.OpGetChildren, &wire.PathWatch{Path: "/a", Watch: true}, nil)
	c.send(wire.OpCreate, &wire.CreateRequest{Path: "/a/b", ACL: world})
	c.send(wire.OpSetData, &wire.SetDataRequest{Path: "/a", Version: -1})
	var order []string
	var last int64
	for range 4 {
		hdr, body := c.frame()
		if hdr.Zxid < last {
			t.Errorf("zxid %d after %d", hdr.Zxid, last)
		}
		last = hdr.Zxid
		if hdr.Xid == wire.XidNotification {
			var e wire.WatcherEvent
			wire.Unmarshal(body, &e)
			order = append(order, fmt.Sprint("event ", e.Type))
		} else {
			order = append(order, "reply")
		}
	}
	if want := []string{"event 4", "reply", "event 3", "reply"}; !slices.Equal(order, want) {
		t.Errorf("order %q, want %q", order, want)
	}
}

func TestSetWatchesReportsMissedChanges(t *testing.T) {
	s := zktest.New(t)
	c := dialRaw(t, s)
	for _, path := range []string{"/same", "/changed", "/parent", "/gone"} {
		c.call(wire.OpCreate, &wire.CreateRequest{Path: path, ACL: world}, nil)
	}
	seen := c.call(wire.OpSync, &wire.Path{Path: "/"}, nil).Zxid
	c.call(wire.OpSetData, &wire.SetDataRequest{Path: "/changed", Version: -1}, nil)
	c.call(wire.OpCreate, &wire.CreateRequest{Path: "/parent/child", ACL: world}, nil)
	c.call(wire.OpDelete, &wire.PathVersion{Path: "/gone", Version: -1}, nil)
	c.call(wire.OpCreate, &wire.CreateRequest{Path: "/new", ACL: world}, nil)
	xid := c.send(wire.OpSetWatches, &wire.SetWatches{
		RelativeZxid: seen,
		Data:         []string{"/same", "/changed", "/gone"},
		Exist:        []string{"/new", "/missing"},
		Child:        []string{"/same", "/parent"},
	})
	got := make(map[string]int32)
	for {
		hdr, body := c.frame()
		if hdr.Xid == xid {
			break
		}
		var e wire.WatcherEvent
		wire.Unmarshal(body, &e)
		got[e.Path] = e.Type
	}
	want := map[string]int32{"/changed": wire.EventDataChanged, "/gone": wire.EventDeleted, "/new": wire.EventCreated, "/parent": wire.EventChildrenChanged}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("events %v, want %v", got, want)
	}
	id := c.hi.SessionID
	left := []zktest.Watch{{id, "/missing", "data"}, {id, "/same", "children"}, {id, "/same", "data"}}
	if got := s.Watches(); !slices.Equal(got, left) {
		t.Errorf("watches %v, want %v", got, left)
	}
}

// A session expires at the first tick after its timeout, never at it.
func TestExpiryIsRoundedUp(t *testing.T) {
	for _, tt := range []struct{ touched, expires time.Duration }{
		{0, 5 * time.Second},
		{300 * time.Millisecond, 5 * time.Second},
		{999 * time.Millisecond, 5 * time.Second},
		{time.Second, 6 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := zktest.New(t, zktest.WithTick(time.Second))
			start := time.Now()
			c := dialRaw(t, s)
			time.Sleep(tt.touched)
			c.send(wire.OpPing, nil)
			c.frame()
			c.nc.SetReadDeadline(time.Time{})
			if _, err := c.nc.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("read: %v", err)
			}
			if got := time.Since(start); got != tt.expires {
				t.Errorf("touched at %v, expired at %v, want %v", tt.touched, got, tt.expires)
			}
		})
	}
}

func TestContainersAndTTLs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := zktest.New(t, zktest.WithContainerCheck(10*time.Second), zktest.WithTimeouts(time.Hour, time.Hour))
		c := dialRaw(t, s)
		create := func(op wire.Op, path string, flags int32, ttl int64) {
			hdr := c.call(op, &wire.CreateRequest{Path: path, ACL: world, Flags: flags, TTL: ttl, HasTTL: op == wire.OpCreateTTL}, nil)
			if hdr.Err != wire.OK {
				t.Fatalf("%s: %v", path, hdr.Err)
			}
		}
		create(wire.OpCreateContainer, "/unused", wire.FlagContainer, 0)
		create(wire.OpCreateContainer, "/used", wire.FlagContainer, 0)
		create(wire.OpCreate, "/used/a", 0, 0)
		create(wire.OpCreateTTL, "/short", wire.FlagTTL, 15000)
		create(wire.OpCreateTTL, "/held", wire.FlagTTL, 15000)
		create(wire.OpCreate, "/held/a", 0, 0)
		sees := func(after time.Duration, want string) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			var paths []string
			for line := range strings.Lines(s.Tree()) {
				path, _, _ := strings.Cut(line, " ")
				paths = append(paths, path)
			}
			if got := strings.Join(paths, " "); got != want {
				t.Errorf("nodes %s, want %s", got, want)
			}
		}
		sees(15*time.Second, "/held /held/a /short /unused /used /used/a")
		sees(5*time.Second, "/held /held/a /unused /used /used/a")
		c.call(wire.OpDelete, &wire.PathVersion{Path: "/used/a", Version: -1}, nil)
		sees(9*time.Second, "/held /held/a /unused /used")
		sees(time.Second, "/held /held/a /unused")
	})
}

func TestFourLetterWords(t *testing.T) {
	s := zktest.New(t)
	c := dialRaw(t, s)
	c.call(wire.OpCreate, &wire.CreateRequest{Path: "/e", ACL: world, Flags: wire.FlagEphemeral}, nil)
	c.call(wire.OpGetData, &wire.PathWatch{Path: "/e", Watch: true}, nil)
	id := fmt.Sprintf("0x%x", c.hi.SessionID)
	for word, want := range map[string]string{
		"ruok": "imok",
		"isro": "rw",
		"srvr": "Zxid: 0x2\nMode: standalone\nNode count: 6\n",
		"stat": "[1](queued=0,recved=3,sent=3)\n",
		"cons": "sid=" + id,
		"mntr": "zk_watch_count\t1\n",
		"conf": "tickTime=50\n",
		"dump": id + ":\n\t/e\n",
		"wchs": "1 connections watching 1 paths\nTotal watches:1\n",
		"wchc": id + "\n\t/e\n",
		"wchp": "/e\n\t" + id + "\n",
		"envi": "zookeeper.version=",
	} {
		nc, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(nc, word)
		answer, err := io.ReadAll(nc)
		nc.Close()
		if err != nil || !bytes.Contains(answer, []byte(want)) {
			t.Errorf("%s: %q, %v; want %q", word, answer, err, want)
		}
	}
}
