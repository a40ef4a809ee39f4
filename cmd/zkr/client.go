package main

import (
	"context"
	"errors"
	"strings"

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
		a.printError(exitOfSession(err)) // the signal alone does not explain this error
	}
	if err != nil {
		return signalOr(sig, exitOfSession(err))
	}
	return nil
}

// withSyncedSession is withSession for commands that read.
func (a *app) withSyncedSession(f func(context.Context, *client) error) error {
	return a.withSession(synced(f))
}

// withListing is withSyncedSession for commands that print a list, which can be long. It shows
// the number of replies.
func (a *app) withListing(f func(context.Context, *client) error) error {
	return a.withSyncedSession(counted("reading", f))
}

// counted returns a function that calls f and shows the number of replies, with a label.
func counted(label string, f func(context.Context, *client) error) func(context.Context, *client) error {
	return func(ctx context.Context, c *client) error {
		p := c.newProgress(label, 0, 0)
		defer p.Close()
		c.counter.Store(p)
		defer c.counter.Store(nil)
		return f(ctx, c)
	}
}

// synced returns a function that syncs before it calls f. The server may lag behind, and
// so f sees every write that completed before the command started.
func synced(f func(context.Context, *client) error) func(context.Context, *client) error {
	return func(ctx context.Context, c *client) error {
		if err := c.Sync(ctx, "/"); err != nil {
			return err
		}
		return f(ctx, c)
	}
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

// untilSignalSynced is untilSignal for commands that read.
func (a *app) untilSignalSynced(f func(context.Context, *client) error) error {
	return a.untilSignal(synced(f))
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

// arguments accepts one argument for each name. Those in square brackets, which come
// last, may be missing.
func arguments(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) > len(names) {
			return usage("unexpected argument %q", args[len(names)])
		}
		if missing := names[len(args):]; len(missing) > 0 && !strings.HasPrefix(missing[0], "[") {
			return usage("%s is missing", missing[0])
		}
		return nil
	}
}

// onePath accepts exactly one argument, PATH.
var onePath = arguments("PATH")
