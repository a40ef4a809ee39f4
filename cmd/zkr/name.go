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
	cmd := group("name", "Bind names, and get numbers that nobody else has",
		`Bind hierarchical names to values, get numbers that nobody has been given before, and
hold a small number while a command runs.`)
	for _, verb := range []*cobra.Command{newNameBind(a, &root, false), newNameBind(a, &root, true),
		newNameLookup(a, &root), newNameUnbind(a, &root), newNameLs(a, &root)} {
		verb.Flags().StringVar(&root, "root", "/", "the directory's own node, below which `path` is; links lead from there")
		cmd.AddCommand(verb)
	}
	cmd.AddCommand(newNameNext(a), newNameSlot(a))
	return cmd
}

// directory is that in which path is a name.
func (c *client) directory(root, path string) (d *naming.Directory, name string, err error) {
	if err := session.CheckPath(path); err != nil {
		return nil, "", err
	}
	return naming.NewDirectory(c.Session, root), strings.TrimPrefix(path, "/"), nil
}

// exitOfNaming is 1 for what is a plain no.
func exitOfNaming(err error) error {
	for _, no := range []error{naming.ErrBound, naming.ErrNotBound, naming.ErrLinks, naming.ErrExhausted} {
		if errors.Is(err, no) {
			return exit(exitNo, err)
		}
	}
	return err
}

const nameCodes = `
Exit codes: 0, 1 for no, 2 for bad usage, 3 if no server can be reached or the session
is lost, 4 if not authorised, 5 if the output cannot be written.`
