package main

import (
	"errors"
	"io"
	"sync"
	"syscall"
)

// output is stdout. It keeps the first error of a write for the exit code, because
// package cobra ignores errors when it writes to stdout.
type output struct {
	w           io.Writer
	beforeWrite func()

	mu  sync.Mutex
	err error
}

// outputError is an error of a write to stdout.
type outputError struct{ error }

func (e outputError) Unwrap() error { return e.error }

func (a *output) Write(data []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err != nil {
		return 0, a.err
	}
	a.beforeWrite()
	n, err := a.w.Write(data)
	if err != nil {
		a.err = outputError{err}
	}
	return n, a.err
}

// failure returns the first error of a write.
func (a *output) failure() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// exitOfOutput returns the exit code of a command that could not write to stdout. A
// closed pipe ends the command without a message, as it ends other commands.
func (a *app) exitOfOutput(err error) int {
	if errors.Is(err, syscall.EPIPE) {
		return exitSignalled + brokenPipe
	}
	a.printError(exit(exitOutput, err))
	return exitOutput
}

// brokenPipe is the number of SIGPIPE.
const brokenPipe = 13
