package membership_test

import (
	"context"
	"fmt"
	"log"

	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func Example() {
	server, err := zktest.Start() // a ZooKeeper to try things with
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	ctx := context.Background()
	s, err := session.Connect(ctx, server.Addr()) // "zk1:2181,zk2:2181,zk3:2181"
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close(ctx)

	workers := membership.New(s, "/app/workers")
	for _, id := range []string{"w2", "w1"} { // as a rule, each in a process of its own
		m, err := workers.Join(ctx, id, []byte("10.0.0."+id[1:]+":8080"))
		if err != nil {
			log.Fatal(err)
		}
		defer m.Leave(ctx)
	}
	v, err := workers.Members(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range v.Members {
		fmt.Printf("%s at %s\n", m.ID, m.Data)
	}
	first, _ := v.First()
	fmt.Println("there for longest:", first.ID)
	// Output:
	// w1 at 10.0.0.1:8080
	// w2 at 10.0.0.2:8080
	// there for longest: w2
}

// connect is for the examples below; the first one shows it in full.
func connect() (s *session.Session, done func()) {
	server, err := zktest.Start()
	if err != nil {
		log.Fatal(err)
	}
	s, err = session.Connect(context.Background(), server.Addr())
	if err != nil {
		log.Fatal(err)
	}
	return s, func() {
		s.Close(context.Background())
		server.Close()
	}
}

// Watch yields complete views; Diff returns what is new in one.
func ExampleGroup_Watch() {
	s, done := connect()
	defer done()
	ctx := context.Background()
	workers := membership.New(s, "/app/workers")

	var me *membership.Membership
	steps := []func() error{ // what happens after each view
		func() (err error) { me, err = workers.Join(ctx, "w1", []byte("idle")); return err },
		func() error { return me.Update(ctx, []byte("busy")) },
		func() error { return me.Leave(ctx) },
	}
	var last membership.Snapshot
	for v, err := range workers.Watch(ctx) {
		if err != nil {
			log.Fatal(err) // ctx has ended, or the session is closed
		}
		joined, left, changed := v.Diff(last)
		for _, m := range joined {
			fmt.Printf("%s has joined, %s\n", m.ID, m.Data)
		}
		for _, m := range changed {
			fmt.Printf("%s is %s\n", m.ID, m.Data)
		}
		for _, m := range left {
			fmt.Printf("%s has left\n", m.ID)
		}
		if last = v; len(steps) == 0 {
			break
		}
		if err := steps[0](); err != nil {
			log.Fatal(err)
		}
		steps = steps[1:]
	}
	// Output:
	// w1 has joined, idle
	// w1 is busy
	// w1 has left
}

// A process that is no longer a member because its session expired notices it and
// joins again without further calls.
func ExampleMembership_Err() {
	server, err := zktest.Start()
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	ctx := context.Background()
	s, err := session.Connect(ctx, server.Addr())
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close(ctx)

	m, err := membership.New(s, "/app/workers").Join(ctx, "w1", nil)
	if err != nil {
		log.Fatal(err)
	}
	token := m.Token()
	server.Expire(s.Status().ID) // as after a long cut of the network
	for m.Token() == token {
		changed := m.Changed()
		if m.Token() == token {
			<-changed
		}
	}
	fmt.Println("a member again:", m.Err() == nil, m.Token() > token)

	if err := m.Leave(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Err())
	// Output:
	// a member again: true true
	// membership: left
}
