package main

import (
	"context"
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
		return a.use(func(ctx context.Context, c *client) error {
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

func newNameLookup(a *app, root *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lookup [flags] PATH",
		Short: "Print the value of a name",
		Long:  "Print the value that the name PATH is bound to. If it is not bound, that is exit code 1.\n" + nameCodes,
		Args:  onlyPath,
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return a.read(func(ctx context.Context, c *client) error {
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

func newNameUnbind(a *app, root *string) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "unbind [flags] PATH",
		Short: "End the binding of a name",
		Long:  "End the binding of the name PATH. If it is not bound, that is exit code 1.\n" + nameCodes,
		Args:  onlyPath,
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return a.use(func(ctx context.Context, c *client) error {
			d, name, err := c.directory(*root, args[0])
			if err != nil {
				return err
			}
			return exitOfNaming(d.Unbind(ctx, name))
		})
	}
	return cmd
}

func newNameLs(a *app, root *string) *cobra.Command {
	var at subject
	cmd := &cobra.Command{
		Use:   "ls [flags] PATH",
		Short: "Print what is below a name",
		Long: `Print a line for each name directly below PATH: the name and its value, or "->" and
where it leads if it is a link. A name that is not bound and only leads to others ends
in a slash.
` + nameCodes,
		Args: onlyPath,
	}
	at.register(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return a.read(func(ctx context.Context, c *client) error {
			d, name, err := c.directory(*root, args[0])
			if err != nil {
				return err
			}
			node := *root
			if name != "" {
				node = session.Join(*root, name)
			}
			if err := at.check(ctx, c, node); err != nil {
				return err
			}
			entries, err := d.List(ctx, name)
			if err != nil {
				return exitOfNaming(err)
			}
			for _, e := range entries {
				if err := a.printName(e); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return cmd
}

func (a *app) printName(e naming.Entry) error {
	if e.Err != nil {
		a.notice("%s: %v", e.Name, e.Err)
		return nil
	}
	text, data := label(e.Name), payload{}
	switch {
	case e.Link != "":
		text += " -> " + inLine([]byte(e.Link))
	case e.Bound:
		text += " " + inLine(e.Value)
		data = newPayload(e.Value)
	default:
		text += "/"
	}
	return a.print(text, struct {
		Name      string `json:"name"`
		Bound     bool   `json:"bound"`
		Link      string `json:"link,omitempty"`
		Ephemeral bool   `json:"ephemeral"`
		payload
	}{e.Name, e.Bound, e.Link, e.Ephemeral, data})
}
