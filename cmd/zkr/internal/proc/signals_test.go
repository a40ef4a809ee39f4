//go:build unix

package proc

import (
	"errors"
	"syscall"
	"testing"
)

// A signal that was received and not handled yet prevents the start of a child.
func TestSignalBeforeStart(t *testing.T) {
	s := NewSignals(nil, nil)
	defer s.Close()
	s.mu.Lock() // blocks deliver
	s.received <- syscall.SIGHUP
	s.mu.Unlock()
	_, err := s.Start(&Command{File: "/bin/true", Args: []string{"true"}}, Spec{Check: func() error {
		t.Error("started")
		return errors.New("must not be started")
	}})
	var refused *SignalError
	if !errors.As(err, &refused) || refused.Signal != syscall.SIGHUP {
		t.Errorf("Start: %v", err)
	}
	if s.WaitContext().Err() == nil {
		t.Error("WaitContext has not ended")
	}
	if s.ReleaseContext().Err() != nil {
		t.Error("ReleaseContext has ended after one signal")
	}
}

// The second signal ends the context for releases.
func TestSecondSignal(t *testing.T) {
	s := NewSignals(nil, nil)
	defer s.Close()
	s.received <- syscall.SIGINT
	s.received <- syscall.SIGINT
	<-s.ReleaseContext().Done()
	if got := s.Received(); got != syscall.SIGINT {
		t.Errorf("Received: %v", got)
	}
}
