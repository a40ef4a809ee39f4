package election_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func Example() {
	server, err := zktest.Start() // an in-process ZooKeeper server
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

	e := election.New(s, "/app/leader", election.WithID("node 1"), election.WithData([]byte("10.0.0.1:80")))
	term, err := e.Campaign(ctx) // blocks until this process leads
	if err != nil {
		log.Fatal(err)
	}
	leader, err := e.Leader(ctx) // works for any client
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s leads, at %s\n", leader.ID, leader.Data)

	if err := term.Resign(ctx); err != nil {
		log.Fatal(err)
	}
	_, err = e.Leader(ctx)
	fmt.Println(err, errors.Is(err, election.ErrNoLeader))
	// Output:
	// node 1 leads, at 10.0.0.1:80
	// election: no leader true
}

// open starts a server and connects to it, as the first example does.
func open() (s *session.Session, done func()) {
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

// Most programs need only Run. It campaigns, and calls the function for each term.
func ExampleElection_Run() {
	s, done := open()
	defer done()
	e := election.New(s, "/app/leader")

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	terms := 0
	err := e.Run(ctx, func(ctx context.Context, t *election.Term) error {
		terms++
		fmt.Println("leading, term", terms)
		if terms == 1 {
			s.Delete(ctx, t.Path(), session.AnyVersion) // an operator ends the term
		} else {
			stop() // as after a signal to the process
		}
		<-ctx.Done() // work until the context is done
		fmt.Println("stopped:", context.Cause(ctx))
		return ctx.Err()
	})
	fmt.Println("Run:", err)
	// Output:
	// leading, term 1
	// stopped: election: leadership lost: session: no such node
	// leading, term 2
	// stopped: context canceled
	// Run: context canceled
}

// Observe yields the leader, and then each change.
func ExampleElection_Observe() {
	s, done := open()
	defer done()
	ctx := context.Background()
	e := election.New(s, "/app/leader", election.WithID("node 1"))

	var term *election.Term
	for leader, err := range e.Observe(ctx) {
		if err != nil { // ctx is done, or the nodes cannot be read
			log.Fatal(err)
		}
		switch {
		case leader.ID == "" && term == nil:
			fmt.Println("no leader yet")
			if term, err = e.Campaign(ctx); err != nil {
				log.Fatal(err)
			}
			continue
		case leader.ID != "":
			fmt.Println(leader.ID, "leads")
			if err := term.Resign(ctx); err != nil {
				log.Fatal(err)
			}
			continue
		}
		fmt.Println("no leader any more")
		break // removes the watch
	}
	// Output:
	// no leader yet
	// node 1 leads
	// no leader any more
}

// A leader can change the data that it publishes.
func ExampleTerm_Proclaim() {
	s, done := open()
	defer done()
	ctx := context.Background()
	e := election.New(s, "/app/leader", election.WithID("node 1"), election.WithData([]byte("starting")))

	term, err := e.Campaign(ctx)
	if err != nil {
		log.Fatal(err)
	}
	show := func() {
		leader, err := e.Leader(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s\n", leader.ID, leader.Data)
	}
	show()
	if err := term.Proclaim(ctx, []byte("ready at 10.0.0.1:80")); err != nil {
		log.Fatal(err)
	}
	show()

	if err := term.Resign(ctx); err != nil {
		log.Fatal(err)
	}
	fmt.Println(term.Proclaim(ctx, []byte("still here?")))
	// Output:
	// node 1: starting
	// node 1: ready at 10.0.0.1:80
	// election: resigned
}

// An operator asks the leader to hand over.
func ExampleElection_StepDown() {
	s, done := open()
	defer done()
	ctx := context.Background()
	e := election.New(s, "/app/leader", election.WithID("node 1"))

	err := e.Run(ctx, func(ctx context.Context, t *election.Term) error {
		go e.StepDown(ctx) // usually in another process
		select {
		case <-t.Revoked():
		case <-ctx.Done():
			return ctx.Err()
		}
		candidates, err := e.Candidates(ctx)
		for _, c := range candidates {
			fmt.Printf("%s, asked to step down: %v\n", c.ID, c.Revoked)
		}
		return err // Run resigns
	})
	if err != nil {
		log.Fatal(err)
	}
	_, err = e.Leader(ctx)
	fmt.Println(err)
	// Output:
	// node 1, asked to step down: true
	// election: no leader
}

// Other programs that elect by one ephemeral node, in any language, can be candidates
// of the same election.
func ExampleWithFixedNode() {
	s, done := open()
	defer done()
	ctx := context.Background()
	e := election.New(s, "/ElectMasterDemo", election.WithFixedNode("master"), election.WithID("node 1"))

	term, err := e.Campaign(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer term.Resign(ctx)
	data, _, err := s.Get(ctx, "/ElectMasterDemo/master")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s: %s\n", term.Path(), data)
	// Output:
	// /ElectMasterDemo/master: node 1
}
