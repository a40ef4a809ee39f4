package main

import (
	"errors"
	"os"
	"syscall"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/proc"
)

// watchSignals handles signals for a command with a session: a second INT or TERM
// ends the process, even while it waits for the outcome of a write.
func (a *app) watchSignals() *proc.Signals {
	return proc.NewSignals(
		func() { a.notice("waiting for the servers; a second signal ends zkr immediately") },
		func(first syscall.Signal) {
			a.printError(exit(exitSignalled+int(first), errors.New("ended by a second signal; the outcome of the request in flight is unknown")))
			os.Exit(exitSignalled + int(first))
		})
}

// signalOr returns the exit for the signal that zkr has received, or err if it has
// received none.
func signalOr(sig *proc.Signals, err error) error {
	if n := sig.Received(); n != 0 {
		return exitSignal(n)
	}
	return err
}

// afterSignal returns the exit of a command that runs until a signal: nil after INT
// and TERM, and the exit for the signal after others.
func afterSignal(sig *proc.Signals) error {
	if n := sig.Received(); n != 0 && !proc.IsTermination(n) {
		return exitSignal(n)
	}
	return nil
}
