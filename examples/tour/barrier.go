package main

import (
	"context"
	"errors"
	"time"

	"github.com/zkrecipes/zkrecipes/barrier"
)

// gather has three processes begin together and leave together.
func gather(ctx context.Context, st *stage) error {
	all, err := st.actors(ctx, "ann", "bob", "cleo")
	if err != nil {
		return err
	}
	defer all.leave()
	results := make(chan error)
	for i, a := range all {
		pause := time.Duration(i) * 100 * time.Millisecond
		go func() { results <- a.meet(ctx, len(all), pause) }()
	}
	for range all {
		err = errors.Join(err, <-results)
	}
	return err
}

// meet comes after a pause, and works for as long.
func (a *actor) meet(ctx context.Context, n int, pause time.Duration) error {
	if err := work(ctx, pause); err != nil {
		return err
	}
	a.say("is there")
	e, err := barrier.NewDouble(a.Session, "/barrier", n, barrier.WithID(a.name)).Enter(ctx)
	if err != nil {
		return err
	}
	a.say("begins, round %d", e.Round())
	if err := work(e.Context(), pause); err != nil {
		return err
	}
	a.say("has finished")
	if err := e.Leave(ctx); err != nil {
		return err
	}
	a.say("leaves")
	return nil
}
