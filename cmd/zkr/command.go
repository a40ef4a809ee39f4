package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/proc"
)

// pathAndCommand parses PATH [-- CMD ARG…]. The command is nil if there is none. It is
// looked up now, before anything is acquired.
func pathAndCommand(cmd *cobra.Command, args []string) (string, *proc.Command, error) {
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

// pathAndRequiredCommand is pathAndCommand for commands that need CMD.
func pathAndRequiredCommand(cmd *cobra.Command, args []string) (string, *proc.Command, error) {
	path, command, err := pathAndCommand(cmd, args)
	if err == nil && command == nil {
		err = usage("a command is missing; it comes after --")
	}
	return path, command, err
}

// onlyCommand is pathAndCommand for commands without PATH.
func onlyCommand(cmd *cobra.Command, args []string) (*proc.Command, error) {
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

func lookUp(argv []string) (*proc.Command, error) {
	c := &proc.Command{Args: argv}
	var err error
	c.File, err = exec.LookPath(c.Name())
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return nil, cannotRun(c.Name(), err)
	}
	return c, nil
}

// commandOfWords returns the command that text names, split at blanks.
func commandOfWords(text string) (*proc.Command, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return nil, usage("the command is empty")
	}
	return lookUp(words)
}

// cannotRun returns the exit for a command that is not found or cannot be executed.
func cannotRun(name string, err error) error {
	code := exitNotExecutable
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
		code = exitNotFound
	}
	// The wrapping errors repeat the name of the command.
	var failed *proc.ExecError
	if errors.As(err, &failed) {
		err = failed.Err
	}
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

// startError returns the exit for an error of a start: that of the signal that
// prevented it, exitNotExecutable or exitNotFound if the command cannot be executed,
// and exitFailed for errors of zkr itself. A loss or the end of a context is
// returned unchanged.
func startError(c *proc.Command, err error) error {
	var refused *proc.SignalError
	var failed *proc.ExecError
	switch {
	case errors.As(err, &refused):
		return exitSignal(refused.Signal)
	case errors.As(err, &failed):
		return cannotRun(c.Name(), err)
	case isLost(err), errors.Is(err, context.Canceled):
		return err
	}
	return exit(exitFailed, err)
}
