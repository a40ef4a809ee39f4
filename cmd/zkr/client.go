package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/proc"
	"github.com/zkrecipes/zkrecipes/session"
)

// client is a session for a command that wraps no other.
type client struct {
	*app
	*session.Session
	sig *proc.Signals
}

// withSession connects and calls f. The context of f ends with the first signal.
func (a *app) withSession(f func(context.Context, *client) error) error {
	sig := a.watchSignals()
	defer sig.Close()
	s, err := a.connect(sig.WaitContext())
	if err != nil {
		return signalOr(sig, exitOfSession(err))
	}
	defer a.closeSession(sig.ReleaseContext(), s)
	err = f(sig.WaitContext(), &client{a, s, sig})
	if err != nil && sig.Received() != 0 && errors.Is(err, session.ErrUnknown) {
		a.printError(err) // the signal alone does not explain this error
	}
	if err != nil {
		return signalOr(sig, exitOfSession(err))
	}
	return nil
}

// withSyncedSession is withSession for commands that read. The server may lag behind, so
// it first syncs: f sees every write that completed before the command started.
func (a *app) withSyncedSession(f func(context.Context, *client) error) error {
	return a.withSession(func(ctx context.Context, c *client) error {
		if err := c.Sync(ctx, "/"); err != nil {
			return err
		}
		return f(ctx, c)
	})
}

// untilSignal is withSession for commands that run until a signal. INT and TERM are a
// success.
func (a *app) untilSignal(f func(context.Context, *client) error) error {
	return a.withSession(func(ctx context.Context, c *client) error {
		err := f(ctx, c)
		var exitErr *exitError
		if ctx.Err() == nil || errors.As(err, &exitErr) {
			return err
		}
		return afterSignal(c.sig)
	})
}

// group returns a command that only has subcommands.
func group(noun, short, long string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   noun,
		Short: short,
		Long:  long,
		Args:  noCommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(verbs...)
	return cmd
}

// onePath accepts exactly one argument, PATH.
func onePath(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return usage("PATH is missing")
	case 1:
		return nil
	}
	return usage("unexpected argument %q", args[1])
}
