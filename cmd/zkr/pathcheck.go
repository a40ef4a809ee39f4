package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/session"
)

// pathCheck checks the PATH of a command that reads. Without it, a path that does not
// exist, or that has the nodes of another recipe, would look like an empty recipe.
type pathCheck struct{ mustExist bool }

func (p *pathCheck) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.mustExist, "must-exist", false, "exit with 1 if PATH does not exist")
}

// check prints a notice if path does not exist, or returns an error with --must-exist. It
// also returns an error if recipes are recognized at path and none of them is
// expected.
func (p *pathCheck) check(ctx context.Context, c *client, path string, expected ...recipe) error {
	data, _, err := c.Get(ctx, path)
	var children []string
	if err == nil {
		children, _, err = c.Children(ctx, path)
	}
	switch {
	case errors.Is(err, session.ErrNoNode):
		return p.reportMissing(c, path)
	case errors.Is(err, session.ErrNoAuth):
		return nil // the command reports what it may not read itself
	case err != nil:
		return err
	}
	found := recognize(data, children)
	if len(found) == 0 || slices.ContainsFunc(expected, func(r recipe) bool { return slices.Contains(found, r) }) {
		return nil
	}
	return exit(exitNo, fmt.Errorf("%s is the path of another recipe: %s", path, found[0]))
}

func (p *pathCheck) reportMissing(c *client, path string) error {
	if p.mustExist {
		return exit(exitNo, fmt.Errorf("%s does not exist", path))
	}
	c.notice("%s does not exist", path)
	return nil
}

// readMode is app.withSyncedSession for a command that reads once, and
// app.untilSignalSynced for a command that follows changes.
type readMode func(*app, func(context.Context, *client) error) error

// then returns a function that calls f after it has checked path.
func (p *pathCheck) then(f func(context.Context, *client) error, path string, expected ...recipe) func(context.Context, *client) error {
	return func(ctx context.Context, c *client) error {
		if err := p.check(ctx, c, path, expected...); err != nil {
			return err
		}
		return f(ctx, c)
	}
}

const readingCodes = `
Exit codes: 0, 1 if PATH has the nodes of another recipe, 2 for bad usage, 3 if
no server can be reached, 4 if not authorized, 5 if the output cannot be
written.`

// reading completes a command that reads the recipe at PATH and is written as f.
func (a *app) reading(cmd *cobra.Command, mode readMode, expected recipe, f func(ctx context.Context, c *client, path string) error) *cobra.Command {
	var target pathCheck
	target.register(cmd)
	cmd.Args = onePath
	cmd.Long += readingCodes
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		read := func(ctx context.Context, c *client) error { return f(ctx, c, args[0]) }
		return mode(a, target.then(read, args[0], expected))
	}
	return cmd
}
