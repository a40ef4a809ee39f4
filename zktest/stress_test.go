package zktest_test

import (
	"net"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
	"go.uber.org/goleak"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func TestCloseLeavesNoGoroutine(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	s, err := zktest.Start()
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		nc, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		mem, err := s.DialContext(t.Context(), "tcp", "zk:2181")
		if err != nil {
			t.Fatal(err)
		}
		mem.Write(wire.Frame(&wire.ConnectRequest{Timeout: 4000}))
	}
	s.PartitionAll()
	s.Close()
	s.Close()
}

// Many clients use both kinds of connection while connections are cut and sessions expire.
// Every acknowledged create must exist.
func TestManyClients(t *testing.T) {
	s := zktest.New(t)
	root := dialRaw(t, s)
	root.call(wire.OpCreate, &wire.CreateRequest{Path: "/a", ACL: world}, nil)
	remove := s.Fault(func(r zktest.Request) zktest.Fault {
		switch {
		case r.N%97 == 0 && r.Op == "create":
			return zktest.DropReply
		case r.N%61 == 0 && r.Op == "create":
			return zktest.Refuse
		}
		return zktest.Pass
	})
	defer remove()
	var wg sync.WaitGroup
	var mu sync.Mutex
	acknowledged := 0
	for i := range 6 {
		dial := connectSession
		if i%2 == 0 {
			dial = connectMem
		}
		c, _ := dial(t, s, 4*time.Second)
		wg.Go(func() {
			for range 40 {
				path, err := c.Create("/a/n-", nil, zk.FlagSequence, open)
				if err != nil {
					return // go-zookeeper pauses for a second before it reconnects
				}
				ok, _, err := c.Exists(path)
				if err == nil && !ok {
					t.Errorf("%s was acknowledged and does not exist", path)
				}
				mu.Lock()
				acknowledged++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	var r wire.ChildrenResponse
	root.call(wire.OpGetChildren2, &wire.PathWatch{Path: "/a"}, &r)
	if len(r.Children) < acknowledged || int(r.Stat.Cversion) != len(r.Children) {
		t.Errorf("%d children, cversion %d, %d acknowledged", len(r.Children), r.Stat.Cversion, acknowledged)
	}
}
