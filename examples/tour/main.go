// A tour of the recipes, in a few seconds.
//
//	go run ./examples/tour
//
// It uses the servers in $ZK_SERVERS, or else a server of its own, and leaves
// nothing behind. Each section is in a file of its own.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// sections are what there is to see, in order.
var sections = []struct {
	title string
	show  func(context.Context, *stage) error
}{
	{"Three contenders take turns at a lock; each turn has a greater token", contend},
	{"A leader is killed, and another takes over when its session has expired", succeed},
	{"A holder that is cut off gives up before the next can own", expire},
	{"Three members of a barrier begin together, and leave together", gather},
	{"A worker is killed, and its job is done by another", handOver},
	{"A configuration changes everywhere, and nonsense changes nothing", reconfigure},
	{"Numbers are given once, and slots are lent to one at a time", number},
	{"A group sees its members come and go", assemble},
	{"A master and a worker are killed, and others do the tasks", runTasks},
	{"Calls go on while an instance of a service is cut off, and it is back with its next session", find},
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
		fmt.Fprintln(out, "On a server in this process; set ZK_SERVERS for others.")
	}
	root := "/tour-" + session.GUID()[:8]
	for _, s := range sections {
		fmt.Fprintf(out, "\n%s.\n", s.title)
		if err := s.show(ctx, newStage(servers, root, out)); err != nil {
			return fmt.Errorf("%s: %w", s.title, err)
		}
	}
	return nil
}
