package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/membership"
)

func newMemberWatch(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "watch PATH",
		Short: "Print who joins and leaves a group",
		Long: `Print a line for each member of the group at PATH, and for each change:
"joined", "left" or "changed", the id, and the data. Quick successive changes
may be printed as one.
`,
	}
	return a.reading(cmd, (*app).untilSignalSynced, recipeParty, func(ctx context.Context, c *client, path string) error {
		var last membership.Snapshot
		for view, err := range membership.New(c.Session, path).Watch(ctx) {
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

func (a *app) printChanges(view, last membership.Snapshot) error {
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
