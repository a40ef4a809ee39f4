package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/naming"
)

func newNameBind(a *app, root *string, rebind bool) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "bind [flags] PATH [VALUE]",
		Short: "Bind a name to a value",
		Long: `Bind the name PATH to VALUE, or to stdin if there is no VALUE. If the name is
bound already, exit with 1. The name stays bound until unbind.
` + nameCodes,
		Args: arguments("PATH", "[VALUE]"),
	}
	if rebind {
		cmd.Use, cmd.Short = "rebind [flags] PATH [VALUE]", "Bind a name, even if it is bound"
		cmd.Long = "Bind the name PATH to VALUE, or to stdin if there is no VALUE, even if it is\nbound already.\n" + nameCodes
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		value, err := a.valueOrStdin(args[1:])
		if err != nil {
			return err
		}
		return a.withSession(func(ctx context.Context, c *client) error {
			return c.withName(*root, args[0], func(d *naming.Directory, name string) error {
				if rebind {
					return d.Rebind(ctx, name, value)
				}
				return d.Bind(ctx, name, value)
			})
		})
	}
	return cmd
}

func newNameUnbind(a *app, root *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "unbind [flags] PATH",
		Short: "Unbind a name",
		Long:  "Unbind the name PATH. If it is not bound, exit with 1.\n",
	}
	return a.nameVerb(cmd, root, (*app).withSession, func(ctx context.Context, _ *client, d *naming.Directory, name string) error {
		return d.Unbind(ctx, name)
	})
}
