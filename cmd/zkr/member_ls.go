package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/membership"
)

func newMemberLs(a *app) *cobra.Command {
	var at pathCheck
	cmd := &cobra.Command{
		Use:   "ls PATH",
		Short: "Print the members of a group",
		Long: `Print a line for each member of the group at PATH: its id and its data.

Exit codes: 0, 1 if PATH has the nodes of another recipe, 2 for bad usage, 3 if
no server can be reached, 4 if not authorised, 5 if the output cannot be
written.`,
		Args: onePath,
	}
	at.register(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return at.read(a, args[0], []recipe{recipeParty}, func(ctx context.Context, c *client) error {
			view, err := membership.New(c.Session, args[0]).Members(ctx)
			if err != nil {
				return err
			}
			for _, m := range view.Members {
				if err := a.print(memberText(m), newMemberJSON(m)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return cmd
}
