package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/election"
)

func newElectLs(a *app) *cobra.Command {
	var f electFlags
	cmd := &cobra.Command{
		Use:   "ls [flags] PATH",
		Short: "Print the leader and the candidates that wait",
		Long: `Print a line for the leader of the election at PATH and for each candidate that
waits, in the order in which they will lead: its position, its state (leader or
waiting), its id, the age of its node, for the leader how long it has led
("held"), its token and its session. Further words are "asked to step down", and
"data" with the data that a program publishes.

A leader may have waited since its node was created. How long it has led is
known if no other candidate has come or left after that, and with --fixed;
otherwise it is "unknown". Ages depend on the clocks of the servers and of this
host.

With --fixed, only the leader has a node, PATH.

With --json, each line is an object with the fields of zkr lock ls; the state of
the leader is "holder".
` + readingCodes,
		Example: `  zkr elect ls /elections/scheduler`,
		Args:    onePath,
	}
	f.registerTarget(cmd)
	f.target.register(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return a.withElection(&f, args[0], func(ctx context.Context, c *client, e *election.Election) error {
			cs, err := e.Candidates(ctx)
			if err != nil {
				return err
			}
			found := make([]contender, len(cs))
			for i, l := range cs {
				found[i] = contender{id: l.ID, token: l.Token, path: l.Path, session: l.Session, since: l.Since, holds: i == 0, revoked: l.Revoked, data: l.Data}
				if f.fixed {
					found[i].heldSince = l.Since
				}
			}
			if !f.fixed {
				if err := c.setHeldSince(ctx, args[0], found); err != nil {
					return err
				}
			}
			return a.printContenders(found, electWords)
		})
	}
	return cmd
}

// registerTarget registers the flag that says what PATH is.
func (f *electFlags) registerTarget(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.fixed, "fixed", false, "elect by the ephemeral node PATH itself")
}

// withElection is app.withSyncedSession for commands that look at an election.
func (a *app) withElection(f *electFlags, path string, do func(context.Context, *client, *election.Election) error) error {
	if err := f.checkFixed(path); err != nil {
		return err
	}
	return a.withSyncedSession(func(ctx context.Context, c *client) error {
		if err := f.checkPath(ctx, c, path); err != nil {
			return err
		}
		return do(ctx, c, f.election(c.Session, path))
	})
}
