package main

import (
	"context"

	"github.com/spf13/cobra"
)

func newNameLookup(a *app, root *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lookup [flags] PATH",
		Short: "Print the value of a name",
		Long:  "Print the value that the name PATH is bound to. If it is not bound, exit with 1.\n" + nameCodes,
		Args:  onePath,
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return a.withSyncedSession(func(ctx context.Context, c *client) error {
			d, name, err := c.directory(*root, args[0])
			if err != nil {
				return err
			}
			value, err := d.Lookup(ctx, name)
			if err != nil {
				return exitOfNaming(err)
			}
			return a.printData(value, newPayload(value))
		})
	}
	return cmd
}
