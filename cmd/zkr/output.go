package main

import (
	"errors"
	"io"
	"sync"
	"syscall"
)

// output is stdout. It remembers the first error of a write, for the exit code:
// also package cobra writes to it, which ignores errors.
type output struct {
	w io.Writer

	mu  sync.Mutex
	err error
}

// outputError says that an answer could not be written.
type outputError struct{ error }

func (e outputError) Unwrap() error { return e.error }

func (a *output) Write(data []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return 0, a.err
	}
	n, err := a.w.Write(data)
	if err != nil {
		a.err = outputError{err}
	}
	return n, a.err
}

// failure is the first error of a write.
func (a *output) failure() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// exitOfOutput is the exit code of a command that could not write its answer. A
// pipe whose reader has gone ends the command silently, as it ends others.
func (a *app) exitOfOutput(err error) int {
	if errors.Is(err, syscall.EPIPE) {
		return exitSignalled + brokenPipe
	}
	a.printError(err)
	return exitOutput
}

// brokenPipe is the number of SIGPIPE.
const brokenPipe = 13
