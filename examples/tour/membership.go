package main

import (
	"context"
	"fmt"

	"github.com/zkrecipes/zkrecipes/membership"
)

// watchGroup watches a group that grows and then loses a member.
func watchGroup(ctx context.Context, st *stage) error {
	all, err := st.actors(ctx, "ann", "bob", "cleo")
	if err != nil {
		return err
	}
	defer all.close()
	cleo := all[2]
	for _, a := range all[:2] {
		if _, err := a.group().Join(ctx, a.name, []byte("address of "+a.name)); err != nil {
			return err
		}
		a.say("joins")
	}
	var last membership.Snapshot
	for view, err := range cleo.group().Watch(ctx) {
		if err != nil {
			return err
		}
		joined, left, _ := view.Diff(last)
		first, _ := view.First()
		cleo.say("sees %d joined and %d left; %s is the first of %d", len(joined), len(left), first.ID, len(view.Members))
		last = view
		switch len(view.Members) {
		case 2:
			all[0].kill()
		case 1:
			return nil
		}
	}
	return fmt.Errorf("the watch ended without an error")
}

func (a *actor) group() *membership.Group { return membership.New(a.Session, "/group") }
