package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/membership"
)

func newMemberWatch(a *app) *cobra.Command {
	var at pathCheck
	cmd := &cobra.Command{
		Use:   "watch PATH",
		Short: "Print who joins and leaves a group",
		Long: `Print a line for each member of the group at PATH, and for each change:
"joined", "left" or "changed", the id, and the data. Quick successive changes
may be printed as one.

Exit codes: 0, 1 if PATH has the nodes of another recipe, 2 for bad usage, 3 if
no server can be reached, 4 if not authorised, 5 if the output cannot be
written.`,
		Args: onePath,
	}
	at.register(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return at.follow(a, args[0], []recipe{recipeParty}, func(ctx context.Context, c *client) error {
			var last membership.View
			for view, err := range membership.New(c.Session, args[0]).Watch(ctx) {
				if err != nil {
					return err
				}
				if err := a.printChanges(view, last); err != nil {
					return err
				}
				last = view
			}
			return nil
		})
	}
	return cmd
}

func (a *app) printChanges(view, last membership.View) error {
	joined, left, changed := view.Diff(last)
	for _, change := range []struct {
		event   string
		members []membership.Member
	}{{"left", left}, {"joined", joined}, {"changed", changed}} {
		for _, m := range change.members {
			words := fmt.Sprint(change.event, " ", memberText(m))
			if change.event == "left" {
				words = fmt.Sprint(change.event, " ", oneWord(m.ID)) // without the data, which is out of date
			}
			err := a.print(words, struct {
				Event string `json:"event"`
				memberJSON
			}{change.event, newMemberJSON(m)})
			if err != nil {
				return err
			}
		}
	}
	return nil
}
