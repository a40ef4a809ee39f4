// A worker takes an id that is its alone, numbers its orders with one count for
// all workers, and tells under its name where it can be found.
//
// It uses $ZK_SERVERS, or else a server of its own. Run it several times at once on
// the same servers: every process has another id, and no order the number of
// another.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/zkrecipes/zkrecipes/naming"
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

	slot, err := naming.NewSlots(s, "/examples/naming/ids", 1024).Acquire(ctx)
	if err != nil {
		return err
	}
	defer slot.Release(context.Background())
	fmt.Fprintf(out, "worker %d of 1024\n", slot.Number)

	names := naming.NewDirectory(s, "/examples/naming/names")
	name := fmt.Sprintf("workers/%d", slot.Number)
	addr := fmt.Sprintf("127.0.0.1:%d", 9000+slot.Number)
	// Bound as long as the session lives, like the id.
	if err := names.Bind(ctx, name, []byte(addr), naming.WithEphemeral()); err != nil {
		return err
	}
	found, err := names.Lookup(ctx, name)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s is at %s\n", name, found)

	// Ten numbers for the price of one. A worker that may have lost its id stops:
	// slot.Context ends before another worker can have the id.
	orders := naming.NewSequence(s, "/examples/naming/orders", naming.WithBlock(10))
	for range 3 {
		if err := slot.Err(); err != nil {
			return err
		}
		n, err := orders.Next(ctx)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "order %d by worker %d\n", n, slot.Number)
	}
	return names.Unbind(ctx, name)
}
