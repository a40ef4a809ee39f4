// Three workers share partitions among them, each as it sees who is there; then
// one of them leaves, and the others take over its share.
//
// It uses $ZK_SERVERS, or else a server of its own. Run it several times at once
// on the same servers, and the workers of all processes share.
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
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/membership"
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

	var workers sync.WaitGroup
	defer workers.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var leave context.CancelFunc
	reports := make(chan report)
	for _, name := range []string{"cleo", "bob", "ann"} {
		w := worker{name, membership.New(s, "/examples/membership"), reports}
		working, home := context.WithCancel(ctx)
		defer home()
		workers.Go(func() { w.work(working) })
		leave = home
	}
	// Each has a share beside two others; then the last one goes home.
	if err := await(ctx, out, reports, "ann", "bob", "cleo"); err != nil {
		return err
	}
	leave()
	return await(ctx, out, reports, "bob", "cleo")
}

// await prints reports until the latest of each of the workers says that just
// these share, as far as this process is concerned.
func await(ctx context.Context, out io.Writer, reports <-chan report, names ...string) error {
	for agreed := map[string]bool{}; len(agreed) < len(names); {
		select {
		case r := <-reports:
			if r.err != nil {
				return r.err
			}
			fmt.Fprintf(out, "%s, one of %d, works on %v\n", r.name, r.of, r.share)
			if delete(agreed, r.name); slices.Equal(r.colleagues, names) {
				agreed[r.name] = true
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// report is what a worker says when its share is another.
type report struct {
	name       string
	share      []int
	of         int      // how many share
	colleagues []string // those of them in this process
	err        error    // why the worker cannot work
}

type worker struct {
	name    string
	group   *membership.Group
	reports chan<- report
}

// work joins, follows who is there, until ctx ends, and leaves.
func (w worker) work(ctx context.Context) {
	process := fmt.Sprintf("-%d", os.Getpid())
	me, err := w.group.Join(ctx, w.name+process, []byte("worker"))
	if err != nil {
		w.tell(ctx, report{err: err})
		return
	}
	defer me.Leave(context.Background())
	for v, err := range w.group.Watch(ctx) {
		if err != nil {
			w.tell(ctx, report{err: err}) // unless it is that ctx has ended
			return
		}
		r := report{name: w.name, share: share(v, me.ID()), of: len(v.Members)}
		for _, m := range v.Members {
			if name, ok := strings.CutSuffix(m.ID, process); ok {
				r.colleagues = append(r.colleagues, name)
			}
		}
		w.tell(ctx, r) // and change what is worked on
	}
}

func (w worker) tell(ctx context.Context, r report) {
	select {
	case <-ctx.Done():
		return
	default:
	}
	select {
	case w.reports <- r:
	case <-ctx.Done():
	}
}

const partitions = 6

// share deals the partitions out in the order of ids. Until all have seen the same
// view, two may work on one partition; where that does harm, take a lock for each.
func share(v membership.Snapshot, id string) (mine []int) {
	i := slices.IndexFunc(v.Members, func(m membership.Member) bool { return m.ID == id })
	if i < 0 {
		return nil // not a member at present
	}
	for p := i; p < partitions; p += len(v.Members) {
		mine = append(mine, p)
	}
	return mine
}
