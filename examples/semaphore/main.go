// Five workers fetch pages from a site that allows two visitors at a time, and one
// of them needs the site to itself. A directory of what was fetched is read by many
// and written by one at a time.
//
// It uses $ZK_SERVERS, or else a server of its own. Run it several times at once
// on the same servers, and the workers of all processes share the two visits.
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
	"sync/atomic"
	"time"

	"github.com/zkrecipes/zkrecipes/lock"
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

const visitors = 2

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
	f := &fetcher{
		site:  lock.NewSemaphore(s, "/examples/site", visitors),
		index: lock.NewRW(s, "/examples/index"),
		out:   log.New(out, "", 0),
		pages: make(map[string]string),
	}
	var all sync.WaitGroup
	results := make(chan error, 5)
	for i, name := range []string{"ann", "bob", "cleo", "dan", "eve"} {
		visits := 1
		if i == 2 {
			visits = visitors
		}
		all.Go(func() { results <- f.work(ctx, name, visits) })
	}
	all.Wait()
	close(results)
	for r := range results {
		err = errors.Join(err, r)
	}
	return errors.Join(err, f.report(ctx))
}

type fetcher struct {
	site    *lock.Semaphore
	index   *lock.RWMutex
	out     *log.Logger
	present atomic.Int32 // at the site, of this process
	pages   map[string]string
}

// work fetches a page with so many of the visits, and puts it into the index.
func (f *fetcher) work(ctx context.Context, name string, visits int) error {
	visit, err := f.site.AcquireN(ctx, visits)
	if err != nil {
		return err
	}
	page, err := f.fetch(visit.Context(), name, visits)
	if uerr := visit.Unlock(context.WithoutCancel(ctx)); uerr != nil {
		err = errors.Join(err, uerr) // the visit was lost, and somebody else came in
	}
	if err != nil {
		return err
	}
	return f.index.Do(ctx, func(ctx context.Context, l *lock.Lease) error {
		f.pages[name] = page
		return nil
	})
}

func (f *fetcher) fetch(ctx context.Context, name string, visits int) (string, error) {
	defer f.present.Add(int32(-visits))
	f.out.Printf("%s visits, and takes %d of %d visits; %d are taken", name, visits, visitors, f.present.Add(int32(visits)))
	select {
	case <-time.After(50 * time.Millisecond): // work hard
		return "the page of " + name, nil
	case <-ctx.Done(): // the visit is lost, or Ctrl-C
		return "", context.Cause(ctx)
	}
}

// report reads the index. Other readers may read at the same time.
func (f *fetcher) report(ctx context.Context) error {
	return f.index.RDo(ctx, func(ctx context.Context, l *lock.Lease) error {
		f.out.Print(fmt.Sprint(len(f.pages), " pages are in the index"))
		return nil
	})
}
