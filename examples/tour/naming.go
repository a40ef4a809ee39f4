package main

import (
	"context"
	"errors"

	"github.com/zkrecipes/zkrecipes/naming"
)

// assignNumbers assigns numbers to three processes, and slots, of which one is free
// again after a process has been killed.
func assignNumbers(ctx context.Context, st *stage) error {
	all, err := st.actors(ctx, "ann", "bob", "cleo")
	if err != nil {
		return err
	}
	defer all.close()
	results := make(chan error)
	for _, a := range all {
		go func() {
			n, err := naming.NewSequence(a.Session, "/numbers").Next(ctx)
			if err == nil {
				a.say("is assigned the number %d", n)
			}
			results <- err
		}()
	}
	for range all {
		err = errors.Join(err, <-results)
	}
	if err != nil {
		return err
	}
	for i, a := range all {
		if i == 2 {
			all[0].kill()
		}
		slot, err := naming.NewSlots(a.Session, "/slots", 2, naming.WithID(a.name)).Acquire(ctx)
		if err != nil {
			return err
		}
		a.say("holds slot %d of 2, token %d", slot.Number, slot.Token())
	}
	return nil
}
