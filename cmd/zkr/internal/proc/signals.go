package proc

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// Signals handles the signals that zkr receives. While children run, each signal
// is relayed to them. Otherwise it is for zkr, which then stops waiting.
//
// A child is started only if zkr has not received a signal before.
type Signals struct {
	waitCtx       context.Context
	cancelWait    context.CancelFunc
	releaseCtx    context.Context
	cancelRelease context.CancelFunc

	hint    func()               // prints that a second signal ends zkr
	exitNow func(syscall.Signal) // ends the process; nil for never

	received chan os.Signal
	starts   chan func()
	quit     chan struct{}
	ended    sync.WaitGroup
	timers   []*time.Timer // until hint and exitNow, after the first and the second signal

	mu       sync.Mutex
	first    syscall.Signal // the first that was for zkr, or 0
	children map[*Child]bool
	relayed  map[syscall.Signal]bool
}

const (
	// secondSignalGrace is the time between a second signal and the end of the
	// process, in which zkr may still end in an orderly way.
	secondSignalGrace = 100 * time.Millisecond
	// hintAfter is the time between a first signal and the hint about a second one.
	hintAfter = time.Second
)

// NewSignals starts to catch signals. Call Close to stop.
//
// If exitNow is not nil, zkr can be ended at once: a second after the first signal
// hint is called, and after a second INT or TERM exitNow is called with the first
// signal. If exitNow is nil, hint is not used.
func NewSignals(hint func(), exitNow func(first syscall.Signal)) *Signals {
	s := &Signals{
		hint: hint, exitNow: exitNow,
		received: make(chan os.Signal, 16),
		starts:   make(chan func()),
		quit:     make(chan struct{}),
		children: make(map[*Child]bool),
		relayed:  make(map[syscall.Signal]bool),
	}
	s.waitCtx, s.cancelWait = context.WithCancel(context.Background())
	s.releaseCtx, s.cancelRelease = context.WithCancel(context.Background())
	for _, sig := range relayed {
		if !signal.Ignored(sig) { // nohup(1) relies on this
			signal.Notify(s.received, sig)
		}
	}
	s.ended.Go(func() {
		for {
			select {
			case sig := <-s.received:
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

// Close stops catching signals.
func (s *Signals) Close() {
	signal.Stop(s.received)
	close(s.quit)
	s.ended.Wait()
	for _, t := range s.timers {
		t.Stop()
	}
	s.cancelWait()
	s.cancelRelease()
}

// WaitContext is the context for connecting and waiting. It ends with the first
// signal for zkr, or with an INT or TERM that is relayed to children.
func (s *Signals) WaitContext() context.Context { return s.waitCtx }

// ReleaseContext is the context for releasing what is owned and for closing the
// session. It ends with the second signal for zkr.
func (s *Signals) ReleaseContext() context.Context { return s.releaseCtx }

// CancelRelease ends ReleaseContext. Call it if the servers have just failed to
// answer, so that they are not waited for again.
func (s *Signals) CancelRelease() { s.cancelRelease() }

// deliver handles one signal. s.mu is held.
func (s *Signals) deliver(sig os.Signal) {
	n, ok := sig.(syscall.Signal)
	switch {
	case !ok:
	case len(s.children) > 0:
		s.relayed[n] = true
		for c := range s.children {
			c.signal(n)
		}
		if IsTermination(n) {
			s.cancelWait()
		}
	case s.first == 0:
		s.first = n
		s.cancelWait()
		if s.exitNow != nil {
			s.timers = append(s.timers, time.AfterFunc(hintAfter, s.hint))
		}
	default:
		s.cancelRelease()
		if first := s.first; len(s.timers) == 1 && IsTermination(n) {
			s.timers = append(s.timers, time.AfterFunc(secondSignalGrace, func() { s.exitNow(first) }))
		}
	}
}

// Start starts a command and relays signals to it until Detach is called.
//
// It returns a *SignalError if zkr received a signal for itself before, and the
// error of WaitContext if children were asked to end before. No signal can arrive
// between this check and the start.
func (s *Signals) Start(c *Command, spec Spec) (p *Child, err error) {
	started := make(chan struct{})
	// The goroutine that receives signals does it, so that there is no signal that was
	// received and not delivered.
	s.starts <- func() {
		defer close(started)
		p, err = s.startNow(c, spec)
	}
	<-started
	return p, err
}

func (s *Signals) startNow(c *Command, spec Spec) (*Child, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for pending := true; pending; {
		select {
		case sig := <-s.received:
			s.deliver(sig)
		default:
			pending = false
		}
	}
	switch {
	case s.first != 0:
		return nil, &SignalError{s.first}
	case s.waitCtx.Err() != nil:
		return nil, s.waitCtx.Err()
	}
	if spec.Check != nil {
		if err := spec.Check(); err != nil {
			return nil, err
		}
	}
	p, err := startChild(c, spec)
	if err == nil {
		s.children[p] = true
	}
	return p, err
}

// Detach stops relaying signals to a child that has ended. It reports whether a
// relayed signal has killed the child. WaitContext has ended then.
func (s *Signals) Detach(p *Child) (killed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if killed = s.relayed[p.killedBy]; killed {
		s.cancelWait()
	}
	delete(s.children, p)
	return killed
}

// Received returns the first signal that was for zkr, or 0.
func (s *Signals) Received() syscall.Signal {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.first
}

// IsTermination reports whether a signal is a plain request to end.
func IsTermination(sig syscall.Signal) bool { return sig == syscall.SIGINT || sig == syscall.SIGTERM }
