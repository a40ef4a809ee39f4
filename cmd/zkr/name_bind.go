package main

import (
	"context"

	"github.com/spf13/cobra"
)

func newNameBind(a *app, root *string, again bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bind [flags] PATH [VALUE]",
		Short: "Bind a name to a value",
		Long: `Bind the name PATH to VALUE, or to what stdin has, unless it is bound: that is exit code
1. The binding stays until unbind.
` + nameCodes,
	}
	if again {
		cmd.Use, cmd.Short = "rebind [flags] PATH [VALUE]", "Bind a name whether it is bound or not"
		cmd.Long = "Bind the name PATH to VALUE, or to what stdin has, whether it is bound or not.\n" + nameCodes
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usage("PATH is missing")
		case len(args) > 2:
			return usage("unexpected argument %q", args[2])
		}
		value, err := a.valueOrStdin(args[1:])
		if err != nil {
			return err
		}
		return a.withSession(func(ctx context.Context, c *client) error {
			d, name, err := c.directory(*root, args[0])
			if err != nil {
				return err
			}
			bind := d.Bind
			if again {
				bind = d.Rebind
			}
			return exitOfNaming(bind(ctx, name, value))
		})
	}
	return cmd
}

func newNameUnbind(a *app, root *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "unbind [flags] PATH",
		Short: "End the binding of a name",
		Long:  "End the binding of the name PATH. If it is not bound, that is exit code 1.\n" + nameCodes,
		Args:  onePath,
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return a.withSession(func(ctx context.Context, c *client) error {
			d, name, err := c.directory(*root, args[0])
			if err != nil {
				return err
			}
			return exitOfNaming(d.Unbind(ctx, name))
		})
	}
	return cmd
}
