package zktest_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/zkrecipes/zkrecipes/zktest"
)

func Example() {
	s, err := zktest.Start() // in a test: zktest.New(t)
	if err != nil {
		panic(err)
	}
	defer s.Close()
	c, _, err := zk.Connect([]string{s.Addr()}, 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		panic(err)
	}
	c.Create("/app", []byte("hello"), 0, zk.WorldACL(zk.PermAll))
	c.Create("/app/member-", nil, zk.FlagEphemeral|zk.FlagSequence, zk.WorldACL(zk.PermAll))
	fmt.Print(s.Tree())
	c.Close()
	// Output:
	// /app v0 "hello"
	// /app/member-0000000000 ephemeral v0 ""
}

// The reply to a create is lost. A client that retries gets the error that the node
// exists.
func ExampleServer_Fault() {
	s, err := zktest.Start()
	if err != nil {
		panic(err)
	}
	defer s.Close()
	remove := s.Fault(func(r zktest.Request) zktest.Fault {
		if r.Op == "create" && r.Path == "/once" {
			return zktest.DropReply
		}
		return zktest.Pass
	})
	c, _, err := zk.Connect([]string{s.Addr()}, 10*time.Second, zk.WithLogInfo(false), zk.WithLogger(quiet{}))
	if err != nil {
		panic(err)
	}
	defer c.Close()
	_, err = c.Create("/once", nil, 0, zk.WorldACL(zk.PermAll))
	fmt.Println(err)
	remove()
	for err = zk.ErrNoServer; errors.Is(err, zk.ErrNoServer); { // until it has reconnected
		_, err = c.Create("/once", nil, 0, zk.WorldACL(zk.PermAll))
	}
	fmt.Println(err)
	// Output:
	// zk: connection closed
	// zk: node already exists
}

// Requests shows the requests that a function makes, and so its round trips.
func ExampleServer_Requests() {
	s, err := zktest.Start()
	if err != nil {
		panic(err)
	}
	defer s.Close()
	c, _, err := zk.Connect([]string{s.Addr()}, 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		panic(err)
	}
	defer c.Close()
	l := zk.NewLock(c, "/lock", zk.WorldACL(zk.PermAll))
	for range 2 {
		s.ResetRequests()
		l.Lock()
		for _, r := range s.Requests() {
			if r.Op != "connect" {
				fmt.Println(r.Op)
			}
		}
		fmt.Println("locked")
		l.Unlock()
	}
	// Output:
	// create
	// exists
	// create
	// create
	// getChildren2
	// locked
	// create
	// getChildren2
	// locked
}

func ExampleServer_Watches() {
	s, err := zktest.Start()
	if err != nil {
		panic(err)
	}
	defer s.Close()
	c, _, err := zk.Connect([]string{s.Addr()}, 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		panic(err)
	}
	defer c.Close()
	c.ExistsW("/config")
	for _, w := range s.Watches() {
		fmt.Println(w.Path, w.Kind)
	}
	// Output:
	// /config data
}
