package main

import (
	"errors"
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

// directory returns the directory at root, and the name of path in it.
func (c *client) directory(root, path string) (d *naming.Directory, name string, err error) {
	if err := session.CheckPath(path); err != nil {
		return nil, "", err
	}
	return naming.NewDirectory(c.Session, root), strings.TrimPrefix(path, "/"), nil
}

// exitOfNaming adds exit code 1 to errors that mean no.
func exitOfNaming(err error) error {
	for _, no := range []error{naming.ErrBound, naming.ErrNotBound, naming.ErrLinks, naming.ErrExhausted} {
		if errors.Is(err, no) {
			return exit(exitNo, err)
		}
	}
	return err
}

const nameCodes = `
Exit codes: 0, 1 for no, 2 for bad usage, 3 if no server can be reached or the
session is lost, 4 if not authorised, 5 if the output cannot be written.`
