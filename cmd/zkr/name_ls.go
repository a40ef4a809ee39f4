package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/session"
)

func newNameLs(a *app, root *string) *cobra.Command {
	var target pathCheck
	cmd := &cobra.Command{
		Use:   "ls [flags] PATH",
		Short: "Print the names below a name",
		Long: `Print a line for each name directly below PATH: the name and its value, or "->"
and the target if it is a link. A name that is not bound, and only has names
below it, ends in a slash.
`,
	}
	target.register(cmd)
	return a.nameVerb(cmd, root, (*app).withListing, func(ctx context.Context, c *client, d *naming.Directory, name string) error {
		node := *root
		if name != "" {
			node = session.Join(*root, name)
		}
		if err := target.check(ctx, c, node); err != nil {
			return err
		}
		entries, err := d.List(ctx, name)
		if err != nil {
			return err
		}
		return printEach(entries, a.printName)
	})
}

func (a *app) printName(e naming.Entry) error {
	if e.Err != nil {
		a.notice("%s: %v", e.Name, e.Err)
		return nil
	}
	text, data := oneWord(e.Name), payload{}
	switch {
	case e.Link != "":
		text += " -> " + oneLine([]byte(e.Link))
	case e.Bound:
		text += " " + oneLine(e.Value)
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
