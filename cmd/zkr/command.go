package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// command is what a wrapping command runs. No shell is involved.
type command struct {
	file string // as found on PATH
	argv []string
}

// childSpec is what a command is run with.
type childSpec struct {
	env    []string
	stdin  *os.File
	stdout *os.File // nil for zkr's own
	stderr *os.File // nil for zkr's own
	// interactive gives the child the terminal from the start if stdin and stdout are
	// the terminal and it is zkr's to give.
	interactive bool
	// deadline is by when the child must have ended, as sessions tell it; nil for never.
	deadline func() (time.Time, <-chan struct{})
	// say tells people about the child.
	notice func(format string, args ...any)
}

// errWatchdogKilled says why the command is dead.
var errWatchdogKilled = errors.New("the guard process was killed, and the command with it")

// pathAndCommand takes apart PATH [-- CMD ARG…]. The command is looked for at
// once, so that nothing is acquired in vain; it is nil if there is none.
func pathAndCommand(cmd *cobra.Command, args []string) (string, *command, error) {
	dash := cmd.ArgsLenAtDash()
	own := args
	if dash >= 0 {
		own = args[:dash]
	}
	switch {
	case len(own) == 0:
		return "", nil, usage("PATH is missing")
	case len(own) > 1:
		return "", nil, usage("unexpected argument %q; a command to run comes after --", own[1])
	case dash < 0:
		return own[0], nil, nil
	case len(args) == dash:
		return "", nil, usage("no command after --")
	}
	c, err := lookUp(args[dash:])
	return own[0], c, err
}

// onlyCommand is pathAndCommand where there is no PATH.
func onlyCommand(cmd *cobra.Command, args []string) (*command, error) {
	dash := cmd.ArgsLenAtDash()
	switch {
	case len(args) == 0 && dash < 0:
		return nil, nil
	case dash != 0:
		return nil, usage("unexpected argument %q; a command to run comes after --", args[0])
	case len(args) == 0:
		return nil, usage("no command after --")
	}
	return lookUp(args)
}

func lookUp(argv []string) (*command, error) {
	c := &command{argv: argv}
	var err error
	c.file, err = exec.LookPath(c.argv[0])
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return nil, cannotRun(c.argv[0], err)
	}
	return c, nil
}

// commandOfWords is a command that is given as one text.
func commandOfWords(text string) (*command, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return nil, usage("the command is empty")
	}
	return lookUp(words)
}

// cannotRun tells a command that is not there from one that will not run.
func cannotRun(name string, err error) error {
	code := exitNotExecutable
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		code = exitNotFound
	}
	// The wrappers name the command again, some of them twice.
	var lookup *exec.Error
	var op *os.PathError
	switch {
	case errors.As(err, &lookup):
		err = lookup.Err
	case errors.As(err, &op):
		err = op.Err
	}
	return exit(code, fmt.Errorf("cannot run %s: %w", name, err))
}
