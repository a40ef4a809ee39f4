package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/election"
)

func newElectStepDown(a *app) *cobra.Command {
	f := electFlags{target: pathCheck{mustExist: true}}
	cmd := &cobra.Command{
		Use:   "stepdown [flags] PATH",
		Short: "Ask the leader to step down",
		Long: `Ask the leader of the election at PATH to step down.

It is only a request, and zkr does not wait for the end of the term. zkr elect
stops its command and resigns. Programs find the request in Term.Revoked. The
request is a line in the leader's node; its id stays.

Exit codes: 0, 1 if there is no leader or PATH has the nodes of another recipe,
2 for bad usage, 3 if no server can be reached or the session is lost, 4 if not
authorized.`,
		Example: `  zkr elect stepdown /elections/scheduler`,
		Args:    onePath,
	}
	f.registerTarget(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return a.withElection(&f, args[0], func(ctx context.Context, c *client, e *election.Election) error {
			cs, err := e.Candidates(ctx)
			if err != nil {
				return err
			}
			if len(cs) == 0 {
				return exit(exitNo, fmt.Errorf("%s: no leader", args[0]))
			}
			if err := e.StepDown(ctx, cs[0]); err != nil {
				return err
			}
			c.notice("%s: asked %s to step down", args[0], oneWord(cs[0].ID))
			return nil
		})
	}
	return cmd
}
