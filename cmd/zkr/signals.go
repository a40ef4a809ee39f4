package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// signals decides for whom a signal is: for the children while there are any, and
// else for zkr, which then stops waiting. A child is started only if no signal
// that ends zkr has come before.
type signals struct {
	waitCtx  context.Context // ends with the first signal that is for zkr, or asks to end
	closeCtx context.Context // ends with the second: no more waiting for goodbyes

	hint    func()         // tells people of the second, after the first
	exitNow func(code int) // ends the process after the second; nil for never

	cancel context.CancelFunc
	hurry  context.CancelFunc
	in     chan os.Signal
	starts chan func()
	quit   chan struct{}
	ended  sync.WaitGroup
	timers []*time.Timer // until tell and exit, after the first and the second signal

	mu        sync.Mutex
	own       syscall.Signal // the first that was for zkr
	children  map[*child]bool
	forwarded map[syscall.Signal]bool
}

// secondSignalGrace is how long a second signal leaves to end in good order, and hint how long
// a first one, before people are told of the second.
const (
	secondSignalGrace = 100 * time.Millisecond
	hintAfter         = time.Second
)

// watchSignals has a second INT or TERM end the process, also if it waits for a
// server whose answer it must not do without.
func (a *app) watchSignals() *signals {
	return newSignals(
		func() { a.notice("waiting for the servers; a second signal ends zkr at once") },
		func(code int) {
			a.printError(errors.New("ended by a second signal; what was under way may have happened or not"))
			os.Exit(code)
		})
}

// newSignals does not end the process if exit is nil.
func newSignals(tell func(), exit func(code int)) *signals {
	s := &signals{
		hint: tell, exitNow: exit,
		in:        make(chan os.Signal, 16),
		starts:    make(chan func()),
		quit:      make(chan struct{}),
		children:  make(map[*child]bool),
		forwarded: make(map[syscall.Signal]bool),
	}
	s.waitCtx, s.cancel = context.WithCancel(context.Background())
	s.closeCtx, s.hurry = context.WithCancel(context.Background())
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
	for _, t := range s.timers {
		t.Stop()
	}
	s.cancel()
	s.hurry()
}

// deliver is called with mu held.
func (s *signals) deliver(sig os.Signal) {
	n, ok := sig.(syscall.Signal)
	switch {
	case !ok:
	case len(s.children) > 0:
		s.forwarded[n] = true
		for c := range s.children {
			c.signal(n)
		}
		if isEndRequest(n) {
			s.cancel()
		}
	case s.own == 0:
		s.own = n
		s.cancel()
		if s.exitNow != nil {
			s.timers = append(s.timers, time.AfterFunc(hintAfter, s.hint))
		}
	default:
		s.hurry()
		if first := s.own; len(s.timers) == 1 && isEndRequest(n) {
			s.timers = append(s.timers, time.AfterFunc(secondSignalGrace, func() { s.exitNow(exitSignalled + int(first)) }))
		}
	}
}

// start starts a child with f and makes it one of those that signals are for. No
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
	switch {
	case s.own != 0:
		return nil, exitSignal(s.own)
	case s.waitCtx.Err() != nil: // others have been told to end
		return nil, s.waitCtx.Err()
	}
	c, err := f()
	if err == nil {
		s.children[c] = true
	}
	return c, err
}

// detach is called when a child has ended. If it was killed by a signal to zkr, zkr
// is to end as well.
func (s *signals) detach(c *child) (killed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if killed = s.forwarded[c.killedBy]; killed {
		s.cancel()
	}
	delete(s.children, c)
	return killed
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

// isEndRequest tells whether a signal is a plain request to end.
func isEndRequest(sig syscall.Signal) bool { return sig == syscall.SIGINT || sig == syscall.SIGTERM }

// await waits for a signal to zkr.
func (s *signals) await() error {
	<-s.waitCtx.Done()
	return s.exit()
}

// exit is the exit of a command that has been at work until a signal came, to
// itself or to its children.
func (s *signals) exit() error {
	if sig := s.received(); sig != 0 && !isEndRequest(sig) {
		return exitSignal(sig)
	}
	return nil
}
