package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/session"
)

func newName(a *app) *cobra.Command {
	root := "/"
	cmd := group("name", "Bind names, and get unique numbers",
		`Bind hierarchical names to values, get unique numbers, and hold a small number
while a command runs.`)
	for _, verb := range []*cobra.Command{newNameBind(a, &root, false), newNameBind(a, &root, true),
		newNameLookup(a, &root), newNameUnbind(a, &root), newNameLs(a, &root)} {
		verb.Flags().StringVar(&root, "root", "/", "root `path` of the directory; names and links are relative to it")
		cmd.AddCommand(verb)
	}
	cmd.AddCommand(newNameNext(a), newNameSlot(a))
	return cmd
}

// nameVerb completes a command for the name PATH in the directory at root. It calls f with
// the name relative to that directory.
func (a *app) nameVerb(cmd *cobra.Command, root *string, mode readMode,
	f func(ctx context.Context, c *client, d *naming.Directory, name string) error) *cobra.Command {
	cmd.Long += nameCodes
	cmd.Args = onePath
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return mode(a, func(ctx context.Context, c *client) error {
			return c.withName(*root, args[0], func(d *naming.Directory, name string) error { return f(ctx, c, d, name) })
		})
	}
	return cmd
}

// withName calls f with the directory at root and the name of path in it.
func (c *client) withName(root, path string, f func(d *naming.Directory, name string) error) error {
	if err := session.CheckPath(path); err != nil {
		return err
	}
	return exitOfNaming(f(naming.NewDirectory(c.Session, root), strings.TrimPrefix(path, "/")))
}

// exitOfNaming adds exit code 1 to errors that mean no.
func exitOfNaming(err error) error {
	if isAny(err, naming.ErrBound, naming.ErrNotBound, naming.ErrLinks, naming.ErrExhausted) {
		return exit(exitNo, err)
	}
	return err
}

const nameCodes = `
Exit codes: 0, 1 for no, 2 for bad usage, 3 if no server can be reached or the
session is lost, 4 if not authorized, 5 if the output cannot be written.`
