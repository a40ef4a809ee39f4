package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/naming"
)

func newNameLookup(a *app, root *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lookup [flags] PATH",
		Short: "Print the value of a name",
		Long:  "Print the value that the name PATH is bound to. If it is not bound, exit with 1.\n",
	}
	return a.nameVerb(cmd, root, (*app).withSyncedSession, func(ctx context.Context, _ *client, d *naming.Directory, name string) error {
		value, err := d.Lookup(ctx, name)
		if err != nil {
			return err
		}
		return a.printData(value, newPayload(value))
	})
}
