// Package proc runs commands as child processes of zkr.
//
// A Child leads its own process group. On Linux, macOS and the BSDs its parent is
// a watchdog process, which kills the group at a deadline or when zkr dies.
// Signals relays the signals that zkr receives to its children. A child can get
// the controlling terminal, data on stdin, and pipes for its output.
package proc

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// WatchdogArg is the first argument of a watchdog process. A program that starts
// children must call WatchdogMain if this is its first argument.
const WatchdogArg = "__guard"

// ExitSignaled plus the number of a signal is the exit code of a process that
// this signal has ended, as shells report it.
const ExitSignaled = 128

// watchdogFailed is the exit code of a watchdog process that could not do its work.
const watchdogFailed = 125

// ErrWatchdogKilled is returned by Child.Err if the watchdog process was killed,
// which ends the child.
var ErrWatchdogKilled = errors.New("the watchdog process was killed, and the command with it")

// Command is a program and its arguments. It is executed without a shell.
type Command struct {
	File string   // the path of the executable
	Args []string // Args[0] is the name of the command
}

// Name returns the name of the command.
func (c *Command) Name() string { return c.Args[0] }

// Spec says how to run a command.
type Spec struct {
	Env    []string
	Stdin  *os.File
	Stdout *os.File // nil for the stdout of zkr
	Stderr *os.File // nil for the stderr of zkr
	// Check is called immediately before the start. If it returns an error, the
	// command is not started. It may be nil.
	Check func() error
	// Foreground gives the child the terminal from the start if stdin and stdout of
	// zkr are the terminal and zkr is in its foreground.
	Foreground bool
	// Deadline returns the time at which the child is killed, and a channel that is
	// closed when this time changes, nil if it does not change any more. A nil
	// Deadline means that there is none.
	Deadline func() (time.Time, <-chan struct{})
	// Notice prints a message about the child for the user.
	Notice func(format string, args ...any)
}

// ExecError is returned if a command cannot be executed. Other errors of a start
// are not the fault of the command.
type ExecError struct{ Err error }

func (e *ExecError) Error() string { return e.Err.Error() }

func (e *ExecError) Unwrap() error { return e.Err }

// SignalError is returned by Signals.Start if zkr received a signal before the
// child could be started.
type SignalError struct{ Signal syscall.Signal }

func (e *SignalError) Error() string { return "signal: " + e.Signal.String() }
