package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/session"
)

// pathCheck is the path that a reading command is about. A path that does not exist
// looks like an empty recipe, and so does one with the nodes of another recipe.
type pathCheck struct{ mustExist bool }

func (s *pathCheck) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&s.mustExist, "must-exist", false, "exit with 1 if PATH does not exist")
}

// check says on stderr that path does not exist, which is an error with
// --must-exist. It is also an error if recipes are recognised at path and none of
// them is one of own.
func (s *pathCheck) check(ctx context.Context, c *client, path string, own ...recipe) error {
	data, _, err := c.Get(ctx, path)
	var children []string
	if err == nil {
		children, _, err = c.Children(ctx, path)
	}
	switch {
	case errors.Is(err, session.ErrNoNode):
		return s.reportMissing(c, path)
	case errors.Is(err, session.ErrNoAuth):
		return nil // what the command itself may read is for it to find out
	case err != nil:
		return err
	}
	found := recognise(data, children)
	if len(found) == 0 || slices.ContainsFunc(own, func(r recipe) bool { return slices.Contains(found, r) }) {
		return nil
	}
	return exit(exitNo, fmt.Errorf("%s is the path of another recipe: %s", path, found[0]))
}

func (s *pathCheck) reportMissing(c *client, path string) error {
	if s.mustExist {
		return exit(exitNo, fmt.Errorf("%s does not exist", path))
	}
	c.notice("%s does not exist", path)
	return nil
}

// read is app.look for a command about path.
func (s *pathCheck) read(a *app, path string, own []recipe, f func(context.Context, *client) error) error {
	return a.withSyncedSession(func(ctx context.Context, c *client) error {
		if err := s.check(ctx, c, path, own...); err != nil {
			return err
		}
		return f(ctx, c)
	})
}

// follow is app.follow for a command about path.
func (s *pathCheck) follow(a *app, path string, own []recipe, f func(context.Context, *client) error) error {
	return a.untilSignal(func(ctx context.Context, c *client) error {
		err := c.Sync(ctx, "/")
		if err == nil {
			err = s.check(ctx, c, path, own...)
		}
		if err != nil {
			return err
		}
		return f(ctx, c)
	})
}
