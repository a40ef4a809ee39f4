// Three candidates lead one after the other, and an observer follows.
//
// It uses $ZK_SERVERS, or else a server of its own. Run it several times at once
// on the same servers, and the candidates of all processes contend.
package main

import (
	"context"
	"errors"
	"io"
	"log"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/election"
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
	say := log.New(out, "", 0)
	results := make(chan error)
	for _, id := range []string{"ann", "bob", "cleo"} {
		e := election.New(s, "/examples/election", election.WithID(id))
		go func() {
			results <- e.Run(ctx, func(ctx context.Context, t *election.Term) error {
				say.Printf("%s leads, token %d", id, t.Token())
				select {
				case <-time.After(200 * time.Millisecond): // long enough
					return nil
				case <-ctx.Done(): // leadership is lost, or Ctrl-C
					return context.Cause(ctx)
				}
			})
		}()
	}
	var watch sync.WaitGroup
	defer watch.Wait()
	watching, enough := context.WithCancel(ctx)
	defer enough()
	watch.Go(func() { observe(watching, election.New(s, "/examples/election"), say) })
	return errors.Join(<-results, <-results, <-results)
}

func observe(ctx context.Context, e *election.Election, say *log.Logger) {
	for leader, err := range e.Observe(ctx) {
		switch {
		case err != nil: // it ends, with ctx as a rule
		case leader.Token == 0:
			say.Print("observer: nobody leads")
		default:
			say.Printf("observer: %s leads, token %d", leader.ID, leader.Token)
		}
	}
}
