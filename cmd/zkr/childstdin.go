package main

import (
	"os"
	"sync"
)

// childWithStdin is a child that has data on its stdin.
type childWithStdin struct {
	*child
	feed    *os.File
	feeding sync.WaitGroup
}

// startFed starts c and feeds it, unless a signal has come.
func (s *signals) startFed(c *command, t childSpec, data []byte) (*childWithStdin, error) {
	return s.feed(c, t, data)
}

// feed is startFed for a task of any kind, whose stdin it makes.
func (s *signals) feed(c *command, t childSpec, data []byte) (*childWithStdin, error) {
	stdin, feed, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	t.stdin = stdin
	f := &childWithStdin{feed: feed}
	f.child, err = s.start(func() (*child, error) { return startChild(c, t) })
	if err != nil {
		feed.Close()
		return nil, err
	}
	f.feeding.Go(func() {
		feed.Write(data) // whether the command reads it is its own business
		feed.Close()
	})
	return f, nil
}

// finish is called when the child has ended: whoever it has left behind need not
// read the rest.
func (f *childWithStdin) finish() {
	f.feed.Close()
	f.feeding.Wait()
}
