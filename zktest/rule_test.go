package zktest_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func TestRulesChoose(t *testing.T) {
	for _, tt := range []struct {
		rule zktest.Rule
		want []string // requests that are corrupted
	}{
		{zktest.Rule{}, []string{"sync /a", "sync /a/b", "sync /a/b/c", "exists /a", "exists /a/b", "exists /a/b/c"}},
		{zktest.Rule{Op: "sync"}, []string{"sync /a", "sync /a/b", "sync /a/b/c"}},
		{zktest.Rule{Path: "/a/*"}, []string{"sync /a/b", "exists /a/b"}},
		{zktest.Rule{Path: "/a/**"}, []string{"sync /a/b", "sync /a/b/c", "exists /a/b", "exists /a/b/c"}},
		{zktest.Rule{Path: "/a/**", Nth: 3}, []string{"exists /a/b"}},
		{zktest.Rule{Session: 1}, nil},
		{zktest.Rule{Op: "sync", Path: "/a", Nth: 2}, nil},
	} {
		s := zktest.New(t)
		c := dialRaw(t, s)
		tt.rule.Fault = zktest.Corrupt
		s.Inject(tt.rule)
		var got []string
		for _, op := range []wire.Op{wire.OpSync, wire.OpExists} {
			for _, path := range []string{"/a", "/a/b", "/a/b/c"} {
				xid := c.send(op, &wire.PathWatch{Path: path})
				if hdr, _ := c.frame(); hdr.Xid == xid && hdr.Zxid < 0 {
					got = append(got, fmt.Sprint(op, " ", path))
				}
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%+v: %q", tt.rule, got)
		}
	}
}

// The first rule that matches decides, also if its fault is Pass.
func TestRulesInOrder(t *testing.T) {
	s := zktest.New(t)
	c := dialRaw(t, s)
	remove := s.Inject(zktest.Rule{Path: "/spared"})
	s.Inject(zktest.Rule{Op: "sync", Fault: zktest.Refuse})
	c.call(wire.OpSync, &wire.Path{Path: "/spared"}, nil)
	remove()
	c.send(wire.OpSync, &wire.Path{Path: "/spared"})
	if !c.closed() {
		t.Error("not refused")
	}
}

// A delay delays the later requests on the connection, but no other connection. The fault
// takes effect after it.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := zktest.New(t)
		c, other := dialRaw(t, s), dialRaw(t, s)
		s.Inject(zktest.Rule{Session: c.hi.SessionID, Op: "create", Delay: time.Second, Fault: zktest.DropReply})
		began := time.Now()
		c.send(wire.OpCreate, &wire.CreateRequest{Path: "/a", ACL: world})
		other.call(wire.OpSync, &wire.Path{Path: "/"}, nil)
		if d := time.Since(began); d != 0 {
			t.Errorf("the other session waited for %v", d)
		}
		if !c.closed() || time.Since(began) != time.Second {
			t.Errorf("after %v", time.Since(began))
		}
		if s.Tree() == "" {
			t.Error("not applied")
		}
	})
}

func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := zktest.New(t)
		c := dialRaw(t, s)
		for _, tt := range []struct {
			pause time.Duration
			lives bool
		}{{3 * time.Second, true}, {5 * time.Second, false}} {
			resume := s.Pause()
			c.send(wire.OpSync, &wire.Path{Path: "/"})
			late := dialBare(t, s)
			late.write(wire.Frame(&wire.ConnectRequest{Timeout: 4000}))
			if !c.quietFor(tt.pause) {
				t.Error("answered in the pause")
			}
			resume()
			if got := !c.closed(); got != tt.lives {
				t.Errorf("paused for %v: the connection is open: %v", tt.pause, got)
			}
			late.read()
		}
	})
}

func TestJumpClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := zktest.New(t, zktest.WithTimeouts(time.Hour, time.Hour))
		c := dialRaw(t, s)
		c.call(wire.OpCreateTTL, &wire.CreateRequest{Path: "/ttl", ACL: world, Flags: wire.FlagTTL, TTL: 60000, HasTTL: true}, nil)
		s.JumpClock(-time.Hour)
		var stat wire.Stat
		c.call(wire.OpCreate, &wire.CreateRequest{Path: "/early", ACL: world}, nil)
		c.call(wire.OpExists, &wire.PathWatch{Path: "/early"}, &stat)
		if got, want := stat.Ctime, time.Now().Add(-time.Hour).UnixMilli(); got != want {
			t.Errorf("mtime %d, want %d", got, want)
		}
		s.JumpClock(59 * time.Minute)
		if len(s.Sessions()) != 1 {
			t.Error("expired too early")
		}
		s.JumpClock(time.Hour)
		if len(s.Sessions()) != 0 {
			t.Error("not expired")
		}
		if got, want := s.Tree(), "/early v0 \"\"\n"; got != want {
			t.Errorf("tree %q, want %q", got, want)
		}
	})
}

func TestRestartEmpty(t *testing.T) {
	s := zktest.New(t)
	c := dialRaw(t, s)
	seen := c.call(wire.OpCreate, &wire.CreateRequest{Path: "/a", ACL: world}, nil).Zxid
	if err := s.RestartEmpty(); err != nil {
		t.Fatal(err)
	}
	again := dialBare(t, s)
	again.write(wire.Frame(&wire.ConnectRequest{Timeout: 4000, SessionID: c.hi.SessionID, Passwd: c.hi.Passwd, LastZxidSeen: seen}))
	if !again.closed() {
		t.Error("answered a client that has seen more")
	}
	if hdr := dialRaw(t, s).call(wire.OpExists, &wire.PathWatch{Path: "/a"}, nil); hdr.Err != wire.CodeNoNode {
		t.Errorf("exists: %v", hdr.Err)
	}
}
