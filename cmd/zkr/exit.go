package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/session"
)

// The exit codes. Commands that run another command use high codes, as env(1) and
// timeout(1) do, to leave the low ones to that command.
const (
	exitNo            = 1
	exitUsage         = 2
	exitUnreachable   = 3
	exitNotAuthorized = 4
	exitOutput        = 5

	exitLost          = 123
	exitNotAcquired   = 124
	exitFailed        = 125
	exitNotExecutable = 126
	exitNotFound      = 127
	exitSignalled     = 128 // plus the number of the signal
)

// exitError ends zkr with a code. Without err, nothing is printed.
type exitError struct {
	code   int
	err    error
	notice bool // -q silences it
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func exit(code int, err error) error { return &exitError{code: code, err: err} }

// exitNotice is exit for an answer that is not an error: -q silences it.
func exitNotice(code int, err error) error { return &exitError{code, err, true} }

// exitSignal returns the exit for a signal, with the code that shells use.
func exitSignal(sig syscall.Signal) error { return exit(exitSignalled+int(sig), nil) }

// usageError is an error in the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usage(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// positive returns a usage error unless n is positive.
func positive[N int | time.Duration](flag string, n N) error {
	if n <= 0 {
		return usage("%s %v is not positive", flag, n)
	}
	return nil
}

// notNegative returns a usage error if n is negative.
func notNegative[N int | time.Duration](flag string, n N) error {
	if n < 0 {
		return usage("%s %v is negative", flag, n)
	}
	return nil
}

// wrapsAnnotation is the annotation of commands that run another command.
const wrapsAnnotation = "wraps"

// exitCode prints err and returns its exit code.
func (a *app) exitCode(cmd *cobra.Command, err error) int {
	var outputErr outputError
	if failed := a.stdout.failure(); failed != nil {
		if err != nil && !errors.As(err, &outputErr) {
			a.printError(err)
		}
		return a.exitOfOutput(failed)
	}
	if err == nil {
		return 0
	}
	var exitErr *exitError
	usageErr := usageError{}
	hasCode, isUsage := errors.As(err, &exitErr), errors.As(err, &usageErr)
	code := exitNo
	switch _, wrapping := cmd.Annotations[wrapsAnnotation]; {
	case hasCode:
		code = exitErr.code
	case wrapping:
		code = exitFailed
	case isUsage:
		code = exitUsage
	}
	if isUsage {
		err = seeHelp(cmd, err)
	}
	if !hasCode || exitErr.err != nil && !(exitErr.notice && a.quiet) {
		a.printError(exit(code, err))
	}
	return code
}

// refusals are the replies of servers that mean no.
var refusals = []error{
	session.ErrNoNode, session.ErrNodeExists, session.ErrBadVersion, session.ErrNotEmpty,
	session.ErrNoChildrenForEphemerals, session.ErrQuota, session.ErrOwned, session.ErrTooLarge,
}

// exitOfSession adds the exit code to an error of a session, in commands that do not
// wrap another.
func exitOfSession(err error) error {
	var exitErr *exitError
	usageErr := usageError{}
	var pathErr *fs.PathError
	var outputErr outputError
	switch {
	case errors.As(err, &exitErr), errors.As(err, &usageErr):
		return err
	case errors.As(err, &outputErr), errors.As(err, &pathErr):
		return exit(exitNo, err)
	case errors.Is(err, session.ErrInvalid):
		return exit(exitUsage, err)
	case isAny(err, session.ErrNoAuth, session.ErrAuthFailed):
		return exit(exitNotAuthorized, err)
	case isAny(err, refusals...):
		return exit(exitNo, err)
	}
	return exit(exitUnreachable, err)
}

// isAny reports whether err is one of targets.
func isAny(err error, targets ...error) bool {
	return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
}
