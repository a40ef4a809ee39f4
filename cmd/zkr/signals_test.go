//go:build unix

package main

import (
	"errors"
	"syscall"
	"testing"
)

// A signal that has arrived but has not been looked at yet prevents the start of
// a child as well.
func TestSignalBeforeStart(t *testing.T) {
	s := newSignals(nil, nil)
	defer s.stop()
	s.mu.Lock() // deliver has to wait
	s.in <- syscall.SIGHUP
	s.mu.Unlock()
	_, err := s.start(func() (*child, error) {
		t.Error("started")
		return nil, errors.New("not to be started")
	})
	var with *exitError
	if !errors.As(err, &with) || with.code != exitSignalled+int(syscall.SIGHUP) {
		t.Errorf("start: %v", err)
	}
	if s.waitCtx.Err() == nil {
		t.Error("zkr goes on waiting")
	}
	if s.closeCtx.Err() != nil {
		t.Error("one signal has ended all patience")
	}
}

// The second signal has zkr leave without a goodbye.
func TestSecondSignal(t *testing.T) {
	s := newSignals(nil, nil)
	defer s.stop()
	s.in <- syscall.SIGINT
	s.in <- syscall.SIGINT
	<-s.closeCtx.Done()
	if got := s.received(); got != syscall.SIGINT {
		t.Errorf("received %v", got)
	}
}
