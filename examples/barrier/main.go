// Three workers compute in rounds: nobody begins a round before all are there, nor
// goes on before all have finished it. In the second round one of them gives up
// while it waits; the others wait for another to take its place.
//
// It uses $ZK_SERVERS, or else a server of its own.
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

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

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
	connecting, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	s, err := session.Connect(connecting, servers)
	if err != nil {
		return err
	}
	defer s.Close(context.Background())
	c := &computation{barrier: barrier.NewDouble(s, "/examples/barrier-"+session.GUID()[:8], 3), out: out}

	if err := c.round(ctx, "ann", "bob", "cleo"); err != nil {
		return err
	}
	impatient, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := c.barrier.Enter(impatient); !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	c.say("cleo has given up, and does not count")
	return c.round(ctx, "ann", "bob", "dave")
}

// computation is something that three do together.
type computation struct {
	barrier *barrier.Double
	mu      sync.Mutex
	out     io.Writer
}

// round has workers compute once.
func (c *computation) round(ctx context.Context, names ...string) error {
	results := make(chan error)
	for _, name := range names {
		go func() { results <- c.work(ctx, name) }()
	}
	return errors.Join(<-results, <-results, <-results)
}

func (c *computation) work(ctx context.Context, name string) error {
	entry, err := c.barrier.Enter(ctx)
	if err != nil {
		return err
	}
	c.say(name + " computes")
	if err := entry.Leave(ctx); err != nil {
		return err
	}
	c.say(name + " goes on")
	return nil
}

func (c *computation) say(line string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintln(c.out, line)
}
