package barrier_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Three workers begin a computation together and end it together.
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

	d := barrier.NewDouble(s, "/app/computation", 3)
	var workers sync.WaitGroup
	for range 3 {
		workers.Go(func() {
			entry, err := d.Enter(ctx) // waits until all three are here
			if err != nil {
				log.Fatal(err)
			}
			fmt.Println("computing")
			if err := entry.Leave(ctx); err != nil { // waits until all three are done
				log.Fatal(err)
			}
			fmt.Println("all have computed")
		})
	}
	workers.Wait()
	// Output:
	// computing
	// computing
	// computing
	// all have computed
	// all have computed
	// all have computed
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

// Workers wait while the barrier is up, and continue when it is lowered.
func ExampleBarrier() {
	s, done := connect()
	defer done()
	ctx := context.Background()

	maintenance := barrier.New(s, "/app/maintenance")
	if err := maintenance.Raise(ctx); err != nil {
		log.Fatal(err)
	}
	worked := make(chan error)
	go func() {
		err := maintenance.Wait(ctx)
		fmt.Println("working")
		worked <- err
	}()
	fmt.Println("maintaining")
	if err := maintenance.Lower(ctx); err != nil {
		log.Fatal(err)
	}
	if err := <-worked; err != nil {
		log.Fatal(err)
	}
	// Output:
	// maintaining
	// working
}

// Do enters, calls a function and leaves when all members have called theirs.
func ExampleDouble_Do() {
	s, done := connect()
	defer done()
	ctx := context.Background()

	d := barrier.NewDouble(s, "/app/computation", 2)
	var members sync.WaitGroup
	for range 2 {
		members.Go(func() {
			err := d.Do(ctx, func(context.Context, *barrier.Entry) error {
				fmt.Println("computing")
				return nil
			})
			fmt.Println("all have computed:", err == nil)
		})
	}
	members.Wait()
	// Output:
	// computing
	// computing
	// all have computed: true
	// all have computed: true
}

// A member that gives up does not count: the others wait for another member.
func ExampleDouble_Enter() {
	s, done := connect()
	defer done()
	d := barrier.NewDouble(s, "/app/computation", 2)

	impatient, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := d.Enter(impatient)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))

	impatient, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = d.Enter(impatient)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// true
	// true
}

// The synchronizing queue of articles on ZooKeeper: processes that arrive early wait
// until all have arrived. They do not wait for each other at the end.
func ExampleWithLayout() {
	s, done := connect()
	defer done()
	ctx := context.Background()

	d := barrier.NewDouble(s, "/synchronizing", 2, barrier.WithLayout(barrier.Synchronizing))
	early := make(chan error)
	go func() {
		_, err := d.Enter(ctx)
		early <- err
	}()
	if _, err := d.Enter(ctx); err != nil {
		log.Fatal(err)
	}
	if err := <-early; err != nil {
		log.Fatal(err)
	}
	names, _, err := s.Children(ctx, "/synchronizing")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(names), "nodes: two of members, and start")
	// Output:
	// 3 nodes: two of members, and start
}

// A service waits until three caches are warm.
func ExampleLatch() {
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

	warm := barrier.NewLatch(s, "/app/warm", 3)
	for range 3 {
		go func() {
			if err := warm.CountDown(ctx); err != nil {
				log.Fatal(err)
			}
		}()
	}
	if err := warm.Wait(ctx); err != nil {
		log.Fatal(err)
	}
	left, err := warm.Count(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("open, left:", left)
	// Output: open, left: 0
}
