package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
)

func newConfigGet(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "get PATH",
		Short: "Print a value",
		Long: `Print the value at PATH. With --json, also print its version, for set
--version.

Exit codes: 0, 1 if there is no value, 2 for bad usage, 3 if no server can be
reached, 4 if not authorized, 5 if the output cannot be written.`,
		Args: onePath,
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return a.withSyncedSession(func(ctx context.Context, c *client) error {
			v, err := config.Get(ctx, c.Session, args[0], codec.Bytes())
			if err != nil {
				return err
			}
			return a.printData(v.Value, newValueJSON(v))
		})
	}
	return cmd
}
