package tasks_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
	"github.com/zkrecipes/zkrecipes/zktest"
)

type Photo struct {
	Name  string
	Width int
}

// The three parts run in one process here. Usually each runs in a separate process.
func Example() {
	server, err := zktest.Start() // a ZooKeeper to try things with
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	ctx, stop := context.WithCancel(context.Background())
	s, err := session.Connect(ctx, server.Addr()) // "zk1:2181,zk2:2181,zk3:2181"
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close(context.Background())
	pool := tasks.New(s, "/app/resize", codec.JSON[Photo](), codec.Text())

	// A client.
	ticket, err := pool.Submit(ctx, Photo{"cat.jpg", 640})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("submitted", ticket.ID())

	// A master, and a worker.
	ended := make(chan error)
	go func() { ended <- pool.Master(ctx) }()
	go func() {
		ended <- pool.Work(ctx, "w1", func(ctx context.Context, t tasks.Task[Photo]) (string, error) {
			// ctx ends when the task is no longer this worker's. Store t.Token() with
			// what you write, and refuse smaller ones.
			return fmt.Sprintf("%d-%s", t.Input.Width, t.Input.Name), nil
		})
	}()

	// The client again, or another process that knows the id.
	name, err := pool.Ticket(ticket.ID()).Wait(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("resized to", name)

	stop()
	for range 2 {
		fmt.Println(<-ended)
	}
	// Output:
	// submitted task-0000000000
	// resized to 640-cat.jpg
	// <nil>
	// <nil>
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

// A task that fails is tried again after a pause. After the last attempt, Wait returns
// the message of the last error.
func ExamplePool_Work() {
	s, done := connect()
	defer done()
	pool := tasks.New(s, "/app/divide", codec.Text(), codec.Text(),
		tasks.WithMaxAttempts(2))

	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- pool.Master(ctx) }()
	go func() {
		ended <- pool.Work(ctx, "w1", func(_ context.Context, t tasks.Task[string]) (string, error) {
			fmt.Printf("attempt %d at %q\n", t.Attempt, t.Input)
			switch {
			case t.Input == "":
				return "", tasks.Permanent(errors.New("nothing to do")) // trying again does not help
			case t.Attempt == 1 || t.Input == "hard":
				return "", errors.New("no luck")
			}
			return "fine", nil
		})
	}()
	for _, input := range []string{"easy", "hard", ""} {
		ticket, err := pool.Submit(ctx, input)
		if err != nil {
			log.Fatal(err)
		}
		result, err := ticket.Wait(ctx)
		var failed *tasks.TaskError
		switch {
		case errors.As(err, &failed):
			fmt.Println("failed:", failed.Message)
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println("done:", result)
		}
	}
	list, err := pool.List(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range list {
		fmt.Println(t.ID, t.State)
	}
	stop()
	<-ended
	<-ended
	// Output:
	// attempt 1 at "easy"
	// attempt 2 at "easy"
	// done: fine
	// attempt 1 at "hard"
	// attempt 2 at "hard"
	// failed: no luck
	// attempt 1 at ""
	// failed: nothing to do
	// task-0000000000 done
	// task-0000000001 failed
	// task-0000000002 failed
}

// A custom strategy assigns large tasks to workers whose ids begin with large.
func ExampleStrategyFunc() {
	s, done := connect()
	defer done()
	pool := tasks.New(s, "/app/sort", codec.Text(), codec.Text())
	bySize := tasks.StrategyFunc(func(t tasks.PendingTask, workers []tasks.Worker) int {
		for i, w := range workers {
			if strings.HasPrefix(w.ID, "large") == (len(t.Data) > 5) && w.Load < w.Capacity {
				return i
			}
		}
		return -1 // wait for a suitable worker
	})

	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- pool.Master(ctx, tasks.WithStrategy(bySize)) }()
	for _, id := range []string{"small1", "large1"} {
		go func() {
			ended <- pool.Work(ctx, id, func(_ context.Context, t tasks.Task[string]) (string, error) {
				return t.Input + " by " + id, nil
			})
		}()
	}
	var tickets []*tasks.Ticket[string]
	for _, input := range []string{"ant", "elephant", "bee", "hippopotamus"} {
		ticket, err := pool.Submit(ctx, input)
		if err != nil {
			log.Fatal(err)
		}
		tickets = append(tickets, ticket)
	}
	for _, ticket := range tickets {
		result, err := ticket.Wait(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(result)
	}
	stop()
	for range 3 {
		<-ended
	}
	// Output:
	// ant by small1
	// elephant by large1
	// bee by small1
	// hippopotamus by large1
}
