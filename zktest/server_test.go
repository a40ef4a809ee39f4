package zktest_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/zkrecipes/zkrecipes/zktest"
)

func TestCreateReadChangeDelete(t *testing.T) {
	s := zktest.New(t)
	c, _ := connectSession(t, s, 10*time.Second)
	if path := must(c.Create("/a", []byte("one"), 0, open))(t); path != "/a" {
		t.Errorf("created %q", path)
	}
	for _, want := range []string{"/a/n-0000000000", "/a/n-0000000001"} {
		if got := must(c.Create("/a/n-", nil, zk.FlagEphemeral|zk.FlagSequence, open))(t); got != want {
			t.Errorf("created %q, want %q", got, want)
		}
	}
	stat := must(c.Set("/a", []byte("two!"), 0))(t)
	if stat.Version != 1 || stat.DataLength != 4 || stat.NumChildren != 2 || stat.Cversion != 2 {
		t.Errorf("stat %+v", stat)
	}
	if err := c.Delete("/a", -1); !errors.Is(err, zk.ErrNotEmpty) {
		t.Errorf("deleted with children: %v", err)
	}
	want := "/a v1 \"two!\"\n/a/n-0000000000 ephemeral v0 \"\"\n/a/n-0000000001 ephemeral v0 \"\"\n"
	if got := s.Tree(); got != want {
		t.Errorf("tree\n%s\nwant\n%s", got, want)
	}
	c.Close()
	if got, want := s.Tree(), "/a v1 \"two!\"\n"; got != want {
		t.Errorf("tree after close\n%s\nwant\n%s", got, want)
	}
	s.Leaks(t)
}

func TestWatches(t *testing.T) {
	s := zktest.New(t)
	c, _ := connectSession(t, s, 10*time.Second)
	_, _, created, err := c.ExistsW("/a")
	if err != nil {
		t.Fatal(err)
	}
	must(c.Create("/a", nil, 0, open))(t)
	if e := event(t, created); e.Type != zk.EventNodeCreated || e.Path != "/a" {
		t.Errorf("event %+v", e)
	}
	_, _, changed, _ := c.GetW("/a")
	_, _, children, _ := c.ChildrenW("/a")
	must(c.Set("/a", []byte("x"), -1))(t)
	must(c.Create("/a/b", nil, 0, open))(t)
	if e := event(t, changed); e.Type != zk.EventNodeDataChanged {
		t.Errorf("event %+v", e)
	}
	if e := event(t, children); e.Type != zk.EventNodeChildrenChanged || e.Path != "/a" {
		t.Errorf("event %+v", e)
	}
	if w := s.Watches(); len(w) != 0 {
		t.Errorf("watches left: %v", w)
	}
}

func TestMulti(t *testing.T) {
	s := zktest.New(t)
	c, _ := connectSession(t, s, 10*time.Second)
	must(c.Create("/a", nil, 0, open))(t)
	res, err := c.Multi(
		&zk.CreateRequest{Path: "/a/n-", Acl: open, Flags: zk.FlagSequence},
		&zk.SetDataRequest{Path: "/a", Data: []byte("x"), Version: 0},
		&zk.CheckVersionRequest{Path: "/a", Version: 1},
	)
	if err != nil || res[0].String != "/a/n-0000000000" || res[1].Stat.Version != 1 {
		t.Fatalf("multi: %+v, %v", res, err)
	}
	before := s.Tree()
	res, err = c.Multi(
		&zk.DeleteRequest{Path: "/a/n-0000000000", Version: -1},
		&zk.CreateRequest{Path: "/b", Acl: open},
		&zk.SetDataRequest{Path: "/a", Data: []byte("y"), Version: 7},
		&zk.CreateRequest{Path: "/c", Acl: open},
	)
	if !errors.Is(err, zk.ErrBadVersion) || res[0].Error != nil || !errors.Is(res[2].Error, zk.ErrBadVersion) {
		t.Errorf("multi: %+v, %v", res, err)
	}
	if after := s.Tree(); after != before {
		t.Errorf("a failed multi changed the tree to\n%s", after)
	}
	if got := must(c.Create("/a/n-", nil, zk.FlagSequence, open))(t); got != "/a/n-0000000001" {
		t.Errorf("created %q", got)
	}
}

func TestExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := zktest.New(t)
		c, _ := connectMem(t, s, 4*time.Second)
		watcher, _ := connectMem(t, s, 4*time.Second)
		must(c.Create("/e", nil, zk.FlagEphemeral, open))(t)
		_, _, gone, _ := watcher.ExistsW("/e")
		heal := s.Partition(c.SessionID())
		start := time.Now()
		if e := event(t, gone); e.Type != zk.EventNodeDeleted {
			t.Errorf("event %+v", e)
		}
		if d := time.Since(start); d < 2*time.Second || d > 4*time.Second+100*time.Millisecond {
			t.Errorf("expired after %v", d)
		}
		heal()
		if got := len(s.Sessions()); got != 1 {
			t.Errorf("%d sessions", got)
		}
	})
}

func TestDropReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := zktest.New(t)
		c, events := connectMem(t, s, 4*time.Second)
		remove := s.Fault(func(r zktest.Request) zktest.Fault {
			if r.Op == "create" {
				return zktest.DropReply
			}
			return zktest.Pass
		})
		if _, err := c.Create("/a", nil, 0, open); !errors.Is(err, zk.ErrConnectionClosed) {
			t.Errorf("create: %v", err)
		}
		remove()
		wait(t, events, zk.StateHasSession) // go-zookeeper drops requests that are made just before it reconnects
		if ok, _, err := c.Exists("/a"); !ok || err != nil {
			t.Errorf("exists: %v, %v", ok, err)
		}
		if got, want := s.Tree(), "/a v0 \"\"\n"; got != want {
			t.Errorf("tree %q", got)
		}
	})
}

func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := zktest.New(t)
		c, events := connectMem(t, s, 4*time.Second)
		must(c.Create("/e", nil, zk.FlagEphemeral, open))(t)
		id := c.SessionID()
		s.Stop()
		time.Sleep(time.Hour)
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		wait(t, events, zk.StateHasSession)
		if c.SessionID() != id {
			t.Errorf("session %#x, want %#x", c.SessionID(), id)
		}
		must(c.Set("/e", nil, -1))(t)
	})
}

func TestOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]zktest.Option{
		"version":  zktest.WithVersion("3.4"),
		"tick":     zktest.WithTick(time.Microsecond),
		"timeouts": zktest.WithTimeouts(time.Second, time.Millisecond),
		"check":    zktest.WithContainerCheck(0),
		"buffer":   zktest.WithMaxBuffer(1),
		"address":  zktest.WithAddr("nowhere:at all"),
		"file":     zktest.WithFile(t.TempDir()),
	} {
		if s, err := zktest.Start(o); err == nil {
			s.Close()
			t.Errorf("%s: started", name)
		}
	}
}
