package main

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/session"
)

// The exit codes. Commands that wrap another keep out of the way of its codes,
// as env(1) and timeout(1) do.
const (
	exitNo            = 1
	exitUsage         = 2
	exitUnreachable   = 3
	exitNotAuthorised = 4
	exitOutput        = 5

	exitLost          = 123
	exitNotAcquired   = 124
	exitFailed        = 125
	exitNotExecutable = 126
	exitNotFound      = 127
	exitSignalled     = 128 // and the number of the signal
)

// exitError ends the command with a code. Without err there is nothing to say.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func exit(code int, err error) error { return &exitError{code, err} }

// exitSignal is the end by a signal, as shells number it.
func exitSignal(sig syscall.Signal) error { return exit(exitSignalled+int(sig), nil) }

// usageError is a mistake in the command line.
type usageError struct{ error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// wrapsAnnotation marks the commands that run another, in their annotations.
const wrapsAnnotation = "wraps"

// exitCode says what went wrong and gives the exit code.
func (a *app) exitCode(cmd *cobra.Command, err error) int {
	var unwritten outputError
	if failed := a.stdout.failure(); failed != nil {
		if err != nil && !errors.As(err, &unwritten) {
			a.printError(err)
		}
		return a.exitOfOutput(failed)
	}
	if err == nil {
		return 0
	}
	var with *exitError
	bad := usageError{}
	coded, misused := errors.As(err, &with), errors.As(err, &bad)
	if !coded || with.err != nil {
		a.printError(err)
	}
	if misused {
		fmt.Fprintf(a.stderr, "Run '%s --help' for usage.\n", cmd.CommandPath())
	}
	switch _, wrapping := cmd.Annotations[wrapsAnnotation]; {
	case coded:
		return with.code
	case wrapping:
		return exitFailed
	case misused:
		return exitUsage
	}
	return exitNo
}

// refusals are answers of the servers that are a plain no.
var refusals = []error{
	session.ErrNoNode, session.ErrNodeExists, session.ErrBadVersion, session.ErrNotEmpty,
	session.ErrNoChildrenForEphemerals, session.ErrQuota, session.ErrOwned, session.ErrTooLarge,
}

// exitOfSession gives an error of a session its code, in commands that do not
// wrap another.
func exitOfSession(err error) error {
	var with *exitError
	bad := usageError{}
	var file *fs.PathError
	var unwritten outputError
	switch {
	case errors.As(err, &with), errors.As(err, &bad):
		return err
	case errors.As(err, &unwritten), errors.As(err, &file):
		return exit(exitNo, err)
	case errors.Is(err, session.ErrInvalid):
		return exit(exitUsage, err)
	case errors.Is(err, session.ErrNoAuth), errors.Is(err, session.ErrAuthFailed):
		return exit(exitNotAuthorised, err)
	}
	for _, no := range refusals {
		if errors.Is(err, no) {
			return exit(exitNo, err)
		}
	}
	return exit(exitUnreachable, err)
}
