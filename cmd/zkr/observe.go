package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/session"
)

// observe prints who leads until a signal comes.
func (a *app) observe(f *electFlags, path string) error {
	return a.follow(func(ctx context.Context, c *client) error {
		if err := f.checkSubject(ctx, c, path); err != nil {
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

// checkSubject looks for the election's path. With --fixed that is the parent of
// the node, which is absent while nobody leads.
func (f *electFlags) checkSubject(ctx context.Context, c *client, path string) error {
	if err := c.Sync(ctx, "/"); err != nil {
		return err
	}
	if !f.fixed {
		return f.at.check(ctx, c, path, anElection)
	}
	parent, _ := session.Split(path)
	switch _, exists, err := c.Exists(ctx, parent); {
	case err != nil:
		return err
	case !exists:
		return f.at.absent(c, parent)
	}
	if _, exists, err := c.Exists(ctx, path); err != nil || !exists {
		return err
	}
	return f.at.check(ctx, c, path)
}

func (a *app) printLeader(l election.Leader) error {
	if l.Token == 0 {
		return a.print("vacant", struct {
			Vacant bool `json:"vacant"`
		}{true})
	}
	return a.print(fmt.Sprintf("%s %d", label(l.ID), int64(l.Token)), struct {
		Vacant bool   `json:"vacant"`
		ID     string `json:"id"`
		Token  int64  `json:"token"`
	}{false, l.ID, int64(l.Token)})
}

// label makes one word of an id, which may have been written by any program.
func label(id string) string {
	if q := strconv.Quote(id); id == "" || strings.Contains(id, " ") || q[1:len(q)-1] != id {
		return q
	}
	return id
}
