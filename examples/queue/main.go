// Two workers share out jobs, each of which is done at least once, whatever
// becomes of a worker.
//
// It uses $ZK_SERVERS, or else a server of its own. Run it several times at once
// on the same servers, and the workers of all processes share the jobs of all.
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
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Job is what is passed from those who have work to those who do it.
type Job struct {
	Room string `json:"room"`
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
	jobs := queue.New(s, "/examples/queue", codec.JSON[Job]())

	rooms := []string{"kitchen", "attic", "cellar", "haunted room", "hall", "library"}
	for _, room := range rooms {
		if _, err := jobs.Push(ctx, Job{room}); err != nil {
			return err
		}
	}

	ctx, cancel := context.WithCancelCause(ctx)
	report := &report{out: out}
	var workers sync.WaitGroup
	for _, name := range []string{"ann", "bob"} {
		workers.Go(func() {
			err := jobs.Consume(ctx, func(ctx context.Context, job *queue.Item[Job]) error {
				return clean(report, name, job)
			}, queue.WithMaxAttempts(3))
			cancel(err) // has no effect if it was for want of work
		})
	}
	err = await(ctx, jobs)
	cancel(errDone)
	workers.Wait()
	if err != nil {
		return err
	}
	for letter, err := range jobs.DeadLetters(context.WithoutCancel(ctx)) {
		if err != nil {
			return err
		}
		report.printf("nobody wants %s after %d attempts: %s", letter.Data, letter.Attempts, letter.Reason)
		if err := jobs.Drop(context.WithoutCancel(ctx), letter.ID); err != nil && !errors.Is(err, session.ErrNoNode) {
			return err
		}
	}
	return nil
}

var errDone = errors.New("all is done")

// clean is the work.
func clean(report *report, name string, job *queue.Item[Job]) error {
	select {
	case <-time.After(20 * time.Millisecond):
	case <-job.Context().Done(): // the claim is lost, and somebody else does it
		return job.Err()
	}
	if job.Value.Room == "haunted room" {
		return fmt.Errorf("%s has seen a ghost", name)
	}
	report.printf("%s has cleaned the %s", name, job.Value.Room)
	return nil
}

// await waits until the queue is empty.
func await[T any](ctx context.Context, q *queue.Queue[T]) error {
	for {
		n, err := q.Len(ctx)
		if n == 0 || err != nil {
			return err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// report is where the workers say what they have done.
type report struct {
	sync.Mutex
	out io.Writer
}

func (r *report) printf(format string, args ...any) {
	r.Lock()
	defer r.Unlock()
	fmt.Fprintf(r.out, format+"\n", args...)
}
