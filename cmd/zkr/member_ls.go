package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/membership"
)

func newMemberLs(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ls PATH",
		Short: "Print the members of a group",
		Long: `Print a line for each member of the group at PATH: its id and its data.
`,
	}
	return a.reading(cmd, (*app).withListing, recipeParty, func(ctx context.Context, c *client, path string) error {
		view, err := membership.New(c.Session, path).Members(ctx)
		if err != nil {
			return err
		}
		return printEach(view.Members, func(m membership.Member) error { return a.print(memberText(m), newMemberJSON(m)) })
	})
}
