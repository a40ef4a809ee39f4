package zktest_test

import (
	"fmt"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/zkrecipes/zkrecipes/zktest"
)

// serve starts a server with the node /a, and a client.
func serve() (*zktest.Server, *zk.Conn, func()) { return serveFor(10 * time.Second) }

// serveFor is serve with a session timeout.
func serveFor(timeout time.Duration) (*zktest.Server, *zk.Conn, func()) {
	s, err := zktest.Start()
	if err != nil {
		panic(err)
	}
	c, _, err := zk.Connect([]string{s.Addr()}, timeout, zk.WithLogInfo(false), zk.WithLogger(quiet{}))
	if err != nil {
		panic(err)
	}
	if _, err := c.Create("/a", []byte("old"), 0, open); err != nil {
		panic(err)
	}
	return s, c, func() { s.Close(); c.Close() }
}

// The reply to the second write of the node is lost. The write has been applied, and the
// client does not know it.
func ExampleServer_Inject_dropReply() {
	s, c, end := serve()
	defer end()
	s.Inject(zktest.Rule{Op: "setData", Path: "/a", Nth: 2, Fault: zktest.DropReply})
	for _, v := range []string{"first", "second"} {
		_, err := c.Set("/a", []byte(v), -1)
		fmt.Println(v, err)
	}
	fmt.Print(s.Tree())
	// Output:
	// first <nil>
	// second zk: connection closed
	// /a v2 "second"
}

// A refused request is not applied.
func ExampleServer_Inject_refuse() {
	s, c, end := serve()
	defer end()
	s.Inject(zktest.Rule{Path: "/a", Fault: zktest.Refuse})
	_, err := c.Set("/a", []byte("new"), -1)
	fmt.Println(err)
	fmt.Print(s.Tree())
	// Output:
	// zk: connection closed
	// /a v0 "old"
}

// A request is never answered. The client waits until it closes the connection.
func ExampleServer_Inject_hang() {
	s, c, end := serveFor(time.Second)
	defer end()
	s.Inject(zktest.Rule{Op: "getData", Nth: 1, Fault: zktest.Hang})
	_, _, err := c.Get("/a")
	fmt.Println(err)
	// Output:
	// zk: connection closed
}

// A slow request delays later requests on the same connection.
func ExampleServer_Inject_delay() {
	s, c, end := serve()
	defer end()
	s.Inject(zktest.Rule{Op: "getData", Delay: 100 * time.Millisecond})
	began := time.Now()
	_, _, err := c.Get("/a")
	fmt.Println(err, time.Since(began) >= 100*time.Millisecond)
	// Output:
	// <nil> true
}

// The client gets the reply, and then loses the connection.
func ExampleServer_Inject_cut() {
	s, c, end := serve()
	defer end()
	s.Inject(zktest.Rule{Op: "getData", Fault: zktest.Cut})
	data, _, err := c.Get("/a")
	fmt.Printf("%s %v\n", data, err)
	// Output:
	// old <nil>
}

// The reply cannot be decoded.
func ExampleServer_Inject_corrupt() {
	s, c, end := serve()
	defer end()
	s.Inject(zktest.Rule{Op: "exists", Nth: 1, Fault: zktest.Corrupt})
	_, _, err := c.Exists("/a")
	fmt.Println(err != nil)
	// Output:
	// true
}

// The session expires before or after the write is applied. The client gets no reply in
// either case.
func ExampleServer_Inject_expire() {
	for _, fault := range []zktest.Fault{zktest.ExpireBefore, zktest.ExpireAfter} {
		s, c, end := serve()
		c.Create("/e", nil, zk.FlagEphemeral, open)
		s.Inject(zktest.Rule{Op: "setData", Fault: fault})
		_, err := c.Set("/a", []byte("new"), -1)
		fmt.Println(err)
		fmt.Print(s.Tree())
		end()
	}
	// Output:
	// zk: connection closed
	// /a v0 "old"
	// zk: connection closed
	// /a v1 "new"
}

// Expire expires a session: its ephemeral nodes are deleted at once.
func ExampleServer_Expire() {
	s, c, end := serve()
	defer end()
	c.Create("/e", nil, zk.FlagEphemeral, open)
	s.Expire(c.SessionID())
	fmt.Print(s.Tree())
	// Output:
	// /a v0 "old"
}

// A partitioned session expires although neither side has closed the connection.
func ExampleServer_Partition() {
	s, c, end := serve()
	defer end()
	c.Create("/e", nil, zk.FlagEphemeral, open)
	heal := s.Partition(c.SessionID())
	s.JumpClock(time.Minute)
	fmt.Print(s.Tree())
	heal()
	// Output:
	// /a v0 "old"
}

// PartitionAll cuts off new clients too.
func ExampleServer_PartitionAll() {
	s, _, end := serve()
	defer end()
	heal := s.PartitionAll()
	s.JumpClock(time.Minute)
	fmt.Println(len(s.Sessions()))
	heal()
	// Output:
	// 0
}

// A server that is cut off from its leader still answers reads after the session has
// expired.
func ExampleServer_Isolate() {
	s, c, end := serve()
	defer end()
	heal := s.Isolate(c.SessionID())
	s.JumpClock(time.Minute)
	data, _, err := c.Get("/a")
	fmt.Printf("%s %v, %d sessions\n", data, err, len(s.Sessions()))
	heal()
	// Output:
	// old <nil>, 0 sessions
}

// Stop and Restart keep the nodes and the sessions.
func ExampleServer_Restart() {
	s, _, end := serve()
	defer end()
	s.Stop()
	fmt.Println(s.Restart(), len(s.Sessions()))
	fmt.Print(s.Tree())
	// Output:
	// <nil> 1
	// /a v0 "old"
}

// After RestartEmpty there are no nodes.
func ExampleServer_RestartEmpty() {
	s, _, end := serve()
	defer end()
	fmt.Printf("%v, %q\n", s.RestartEmpty(), s.Tree())
	// Output:
	// <nil>, ""
}

// When a server resumes after a long pause, all sessions have expired.
func ExampleServer_Pause() {
	s, c, end := serve()
	defer end()
	c.Create("/e", nil, zk.FlagEphemeral, open)
	resume := s.Pause()
	s.JumpClock(time.Minute)
	fmt.Print(s.Tree())
	resume()
	fmt.Print("after the pause:\n", s.Tree())
	// Output:
	// /a v0 "old"
	// /e ephemeral v0 ""
	// after the pause:
	// /a v0 "old"
}

// JumpClock advances the time by a minute.
func ExampleServer_JumpClock() {
	s, c, end := serve()
	defer end()
	c.Create("/e", nil, zk.FlagEphemeral, open)
	s.JumpClock(time.Minute)
	fmt.Print(s.Tree())
	// Output:
	// /a v0 "old"
}

// The zxids are those of the sixth elected leader.
func ExampleServer_JumpZxid() {
	s, c, end := serve()
	defer end()
	s.JumpZxid(6 << 32)
	stat, err := c.Set("/a", nil, -1)
	fmt.Printf("%#x %v\n", stat.Mzxid, err)
	// Output:
	// 0x600000001 <nil>
}

// After JumpSequence the numbers of sequential nodes become negative.
func ExampleServer_JumpSequence() {
	s, c, end := serve()
	defer end()
	s.JumpSequence("/a", 1<<31-1)
	for range 2 {
		fmt.Println(c.Create("/a/n", nil, zk.FlagSequence, open))
	}
	// Output:
	// /a/n2147483647 <nil>
	// /a/n-2147483648 <nil>
}

// Servers since 3.5 assign the last number repeatedly.
func ExampleServer_EndSequence() {
	s, c, end := serve()
	defer end()
	s.EndSequence("/a")
	for range 2 {
		fmt.Println(c.Create("/a/n", nil, zk.FlagSequence, open))
	}
	// Output:
	// /a/n2147483647 <nil>
	//  zk: node already exists
}
