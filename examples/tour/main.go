// The tour shows each recipe at work, in ten seconds.
//
//	go run ./examples/tour
//	go run ./examples/tour lock election
//
// It uses the servers in $ZK_SERVERS, or else an in-process server, and leaves no
// node. The file of a section has the section's name.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// section is a part of the tour.
type section struct {
	name  string
	title string
	calls string        // what it calls; examples/NAME is a program that does the same
	takes time.Duration // with sessions of a second, which only the in-process server grants
	show  func(context.Context, *stage) error
}

var sections = []section{
	{"lock", "Three processes take turns at a lock. Each turn has a greater token.",
		"lock.New(…).Do, examples/lock", 700 * time.Millisecond, takeTurns},
	{"election", "The leader is killed. When its session has expired, another process leads.",
		"election.New(…).Run and Observe, examples/election", 1500 * time.Millisecond, replaceLeader},
	{"loss", "A holder is cut off. It knows of its loss before another process can own the lock.",
		"lock.New(…).Lock and Lease.Context, examples/lock", 1500 * time.Millisecond, loseLock},
	{"barrier", "Three processes begin a job together, and end it together.",
		"barrier.NewDouble(…).Enter and Entry.Leave, examples/barrier", 500 * time.Millisecond, meet},
	{"queue", "A consumer is killed while it has an item. Another consumer gets the item.",
		"queue.New(…).PushAll, Claim and Consume, examples/queue", 1200 * time.Millisecond, repeatItem},
	{"config", "A setting changes in two processes. Data that is not a setting changes nothing.",
		"config.Put, config.Open and Value.Load, examples/config", 300 * time.Millisecond, changeSetting},
	{"naming", "Numbers are assigned once. A slot has one holder at a time.",
		"naming.NewSequence(…).Next, naming.NewSlots(…).Acquire, examples/naming", 1200 * time.Millisecond, assignNumbers},
	{"membership", "A process watches which members join and leave a group.",
		"membership.New(…).Join and Watch, examples/membership", 1200 * time.Millisecond, watchGroup},
	{"tasks", "The master of a pool and a worker are killed. Other processes finish the tasks.",
		"tasks.New(…).Submit, Master and Work, examples/tasks", 1300 * time.Millisecond, finishTasks},
	{"registry", "An instance of a service is cut off. Its callers use the other one until it is back.",
		"registry.New(…).Register, Resolve and Resolver.Pick, examples/registry", 1300 * time.Millisecond, callService},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	selected, err := find(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if err := run(ctx, os.Stdout, selected); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

// find returns the sections with the given names, or all if there are no names.
func find(names []string) (selected []section, err error) {
	if len(names) == 0 {
		return sections, nil
	}
	for _, name := range names {
		i := slices.IndexFunc(sections, func(s section) bool { return s.name == name })
		if i < 0 {
			var all []string
			for _, s := range sections {
				all = append(all, s.name)
			}
			return nil, fmt.Errorf("no section %q; the sections are: %s", name, strings.Join(all, ", "))
		}
		selected = append(selected, sections[i])
	}
	return selected, nil
}

func run(ctx context.Context, out io.Writer, selected []section) error {
	servers := os.Getenv("ZK_SERVERS")
	inProcess := servers == ""
	if inProcess {
		srv, err := zktest.Start()
		if err != nil {
			return err
		}
		defer srv.Close()
		servers = srv.Addr()
		fmt.Fprintln(out, "The server is in this process. Set ZK_SERVERS to use others.")
	}
	root := "/tour-" + session.GUID()[:8]
	for _, s := range selected {
		fmt.Fprintf(out, "\n%s: %s\n%s", s.name, s.title, s.calls)
		if inProcess {
			fmt.Fprintf(out, "; takes %.1f s", s.takes.Seconds())
		}
		fmt.Fprintln(out)
		if err := s.show(ctx, newStage(servers, root, out)); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}
