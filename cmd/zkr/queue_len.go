package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func newQueueLen(a *app) *cobra.Command {
	var f layoutFlag
	var at pathCheck
	cmd := &cobra.Command{
		Use:   "len PATH",
		Short: "Print the number of items",
		Long: `Print the number of items, including those that are claimed or not yet due.

Exit codes: 0, 1 if PATH has the nodes of another recipe, 2 for bad usage, 3 if
no server can be reached, 4 if not authorised, 5 if the output cannot be
written.`,
		Args: onePath,
	}
	f.register(cmd)
	at.register(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		l, err := f.parse()
		if err != nil {
			return err
		}
		return at.read(a, args[0], []recipe{layoutRecipes[l]}, func(ctx context.Context, c *client) error {
			n, err := c.queue(args[0], l).Len(ctx)
			if err != nil {
				return err
			}
			return a.print(fmt.Sprint(n), struct {
				Len int `json:"len"`
			}{n})
		})
	}
	return cmd
}
