// Two workers carry out the tasks that a master assigns to them, and the client hears
// what has become of each.
//
// It uses $ZK_SERVERS, or else a server of its own. Run it several times at once on
// the same servers: one process has the master, and another when that one is killed;
// the workers of all share the tasks of all.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Division is what there is to do.
type Division struct {
	Dividend int `json:"dividend"`
	Divisor  int `json:"divisor"`
}

// Answer is what came of it.
type Answer struct {
	Quotient  int    `json:"quotient"`
	Remainder int    `json:"remainder"`
	By        string `json:"by"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	servers := os.Getenv("ZK_SERVERS")
	if servers == "" {
		srv, err := zktest.Start()
		if err != nil {
			return err
		}
		defer srv.Close()
		servers = srv.Addr()
	}
	connecting, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	s, err := session.Connect(connecting, servers)
	if err != nil {
		return err
	}
	defer s.Close(context.Background())
	pool := tasks.New(s, "/examples/tasks", codec.JSON[Division](), codec.JSON[Answer]())

	ctx, cancel := context.WithCancelCause(ctx)
	var parts sync.WaitGroup
	defer parts.Wait()
	defer cancel(errDone)
	parts.Go(func() { cancel(pool.Master(ctx, tasks.WithRetention(1000, time.Hour))) }) // has no effect if it was for want of work
	for _, name := range []string{"ann", "bob"} {
		id := fmt.Sprintf("%s-%d", name, os.Getpid()) // no two workers of a pool have the same
		parts.Go(func() {
			cancel(pool.Work(ctx, id, func(ctx context.Context, t tasks.Task[Division]) (Answer, error) {
				return divide(ctx, name, t)
			}, tasks.WithConcurrency(2)))
		})
	}

	var tickets []*tasks.Ticket[Answer]
	for _, d := range []Division{{17, 5}, {9, 3}, {1, 0}, {100, 7}} {
		t, err := pool.Submit(ctx, d)
		if err != nil {
			return err
		}
		tickets = append(tickets, t) // its ID is all that another process needs
	}
	for _, t := range tickets {
		answer, err := t.Wait(ctx)
		var failed *tasks.TaskError
		switch {
		case errors.As(err, &failed):
			fmt.Fprintf(out, "no answer: %s\n", failed.Message)
		case err != nil:
			return err
		default:
			fmt.Fprintf(out, "%s says: %d, remainder %d\n", answer.By, answer.Quotient, answer.Remainder)
		}
	}
	return nil
}

var errDone = errors.New("all is done")

// divide is the work. It takes some time.
func divide(ctx context.Context, name string, t tasks.Task[Division]) (Answer, error) {
	select {
	case <-time.After(20 * time.Millisecond):
	case <-ctx.Done(): // the claim is lost, and somebody else does it
		return Answer{}, context.Cause(ctx)
	}
	d := t.Input
	if d.Divisor == 0 {
		return Answer{}, tasks.Permanent(fmt.Errorf("%d cannot be divided by zero", d.Dividend)) // trying again does not help
	}
	return Answer{d.Dividend / d.Divisor, d.Dividend % d.Divisor, name}, nil
}
