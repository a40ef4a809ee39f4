package main

import (
	"context"
	"fmt"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/session"
)

// observe prints the leader and each change until a signal comes.
func (a *app) observe(f *electFlags, path string) error {
	return a.untilSignalSynced(func(ctx context.Context, c *client) error {
		if err := f.checkPath(ctx, c, path); err != nil {
			return err
		}
		for l, err := range f.election(c.Session, path).Observe(ctx) {
			if err == nil {
				err = a.printLeader(l)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// checkPath checks that the election's path exists and is that of an election. With
// --fixed it checks the parent first: the node itself exists only while there is a leader.
func (f *electFlags) checkPath(ctx context.Context, c *client, path string) error {
	if !f.fixed {
		return f.target.check(ctx, c, path, recipeElection)
	}
	parent, _ := session.Split(path)
	switch _, exists, err := c.Exists(ctx, parent); {
	case err != nil:
		return err
	case !exists:
		return f.target.reportMissing(c, parent)
	}
	if _, exists, err := c.Exists(ctx, path); err != nil || !exists {
		return err
	}
	return f.target.check(ctx, c, path)
}

func (a *app) printLeader(l election.Leader) error {
	if l.Token == 0 {
		return a.print("vacant", map[string]bool{"vacant": true})
	}
	return a.print(fmt.Sprintf("%s %d", oneWord(l.ID), int64(l.Token)), struct {
		Vacant bool   `json:"vacant"`
		ID     string `json:"id"`
		Token  int64  `json:"token"`
	}{false, l.ID, int64(l.Token)})
}
