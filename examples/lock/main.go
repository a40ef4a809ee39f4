// Three workers share a store that only one of them may write to at a time.
//
// It uses $ZK_SERVERS, or else a server of its own. Run it several times at once
// on the same servers, and the workers of all processes take turns.
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
	m, st := lock.New(s, "/examples/lock"), &store{out: out}
	results := make(chan error)
	for _, name := range []string{"ann", "bob", "cleo"} {
		go func() {
			results <- m.Do(ctx, func(ctx context.Context, l *lock.Lease) error {
				select {
				case <-time.After(100 * time.Millisecond): // work hard
					return st.write(l.Token(), name)
				case <-ctx.Done(): // the lock is lost, or Ctrl-C
					return context.Cause(ctx)
				}
			})
		}()
	}
	return errors.Join(<-results, <-results, <-results)
}

// store refuses writers who were suspended for so long that their turn is over.
type store struct {
	sync.Mutex
	token session.Zxid
	out   io.Writer
}

func (s *store) write(token session.Zxid, name string) error {
	s.Lock()
	defer s.Unlock()
	if token < s.token {
		return fmt.Errorf("%s is late with token %d, after %d", name, token, s.token)
	}
	s.token = token
	_, err := fmt.Fprintf(s.out, "%s has written, token %d\n", name, token)
	return err
}
