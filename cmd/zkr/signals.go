package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// signals decides for whom a signal is: for the child while there is one, and
// else for zkr, which then stops waiting. A child is started only if no signal
// has come before.
type signals struct {
	waiting  context.Context // ends with the first signal that is for zkr
	patience context.Context // ends with the second: no more waiting for goodbyes

	cancel context.CancelFunc
	hurry  context.CancelFunc
	in     chan os.Signal
	starts chan func()
	quit   chan struct{}
	ended  sync.WaitGroup

	mu        sync.Mutex
	own       syscall.Signal // the first that was for zkr
	child     *child
	forwarded map[syscall.Signal]bool
}

func watchSignals() *signals {
	s := &signals{
		in:        make(chan os.Signal, 16),
		starts:    make(chan func()),
		quit:      make(chan struct{}),
		forwarded: make(map[syscall.Signal]bool),
	}
	s.waiting, s.cancel = context.WithCancel(context.Background())
	s.patience, s.hurry = context.WithCancel(context.Background())
	for _, sig := range relayed {
		if !signal.Ignored(sig) { // as nohup(1) wants it
			signal.Notify(s.in, sig)
		}
	}
	s.ended.Go(func() {
		for {
			select {
			case sig := <-s.in:
				s.mu.Lock()
				s.deliver(sig)
				s.mu.Unlock()
			case f := <-s.starts:
				f()
			case <-s.quit:
				return
			}
		}
	})
	return s
}

// stop gives the signals back.
func (s *signals) stop() {
	signal.Stop(s.in)
	close(s.quit)
	s.ended.Wait()
	s.cancel()
	s.hurry()
}

// deliver is called with mu held.
func (s *signals) deliver(sig os.Signal) {
	n, ok := sig.(syscall.Signal)
	switch {
	case !ok:
	case s.child != nil:
		s.forwarded[n] = true
		s.child.signal(n)
	case s.own == 0:
		s.own = n
		s.cancel()
	default:
		s.hurry()
	}
}

// start starts a child with f and makes it the one that signals are for. No
// signal can come between the decision and the start.
func (s *signals) start(f func() (*child, error)) (c *child, err error) {
	started := make(chan struct{})
	// It is done by the goroutine that takes signals, so that none has been taken
	// and not delivered.
	s.starts <- func() {
		defer close(started)
		c, err = s.startNow(f)
	}
	<-started
	return c, err
}

func (s *signals) startNow(f func() (*child, error)) (*child, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for pending := true; pending; {
		select {
		case sig := <-s.in:
			s.deliver(sig)
		default:
			pending = false
		}
	}
	if s.own != 0 {
		return nil, exitSignal(s.own)
	}
	c, err := f()
	if err == nil {
		s.child = c
	}
	return c, err
}

// detach is called when the child has ended. If that was because of a signal to
// zkr, zkr is to end as well.
func (s *signals) detach() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forwarded[syscall.SIGINT] || s.forwarded[syscall.SIGTERM] || s.forwarded[s.child.killedBy] {
		s.cancel()
	}
	s.child = nil
}

// received is the signal that zkr was told to end with, or 0.
func (s *signals) received() syscall.Signal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.own
}

// failure is the exit for an error of zkr's own: that of the signal, if one has
// caused it.
func (s *signals) failure(err error) error {
	if sig := s.received(); sig != 0 {
		return exitSignal(sig)
	}
	return err
}

// asks tells whether a signal is a plain request to end.
func asks(sig syscall.Signal) bool { return sig == syscall.SIGINT || sig == syscall.SIGTERM }

// await waits for a signal to zkr.
func (s *signals) await() error {
	<-s.waiting.Done()
	return s.verdict()
}

// verdict is the exit of a command that has been at work until a signal came.
func (s *signals) verdict() error {
	if sig := s.received(); !asks(sig) {
		return exitSignal(sig)
	}
	return nil
}
