package main

import (
	"context"
	"errors"

	"github.com/zkrecipes/zkrecipes/naming"
)

// number has three processes take numbers, of which one is lent again after a death.
func number(ctx context.Context, st *stage) error {
	all, err := st.actors(ctx, "ann", "bob", "cleo")
	if err != nil {
		return err
	}
	defer all.leave()
	results := make(chan error)
	for _, a := range all {
		go func() {
			n, err := naming.NewSequence(a.Session, "/numbers").Next(ctx)
			if err == nil {
				a.say("is given number %d, as nobody else", n)
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
			all[0].die()
		}
		slot, err := naming.NewSlots(a.Session, "/slots", 2, naming.WithID(a.name)).Acquire(ctx)
		if err != nil {
			return err
		}
		a.say("holds slot %d of 2, token %d", slot.Number, slot.Token())
	}
	return nil
}
