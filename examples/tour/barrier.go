package main

import (
	"context"
	"errors"
	"time"

	"github.com/zkrecipes/zkrecipes/barrier"
)

// meet lets three processes begin together and leave together.
func meet(ctx context.Context, st *stage) error {
	all, err := st.actors(ctx, "ann", "bob", "cleo")
	if err != nil {
		return err
	}
	defer all.close()
	results := make(chan error)
	for i, a := range all {
		pause := time.Duration(i) * 100 * time.Millisecond
		go func() { results <- a.attend(ctx, len(all), pause) }()
	}
	for range all {
		err = errors.Join(err, <-results)
	}
	return err
}

// attend arrives after a pause and works for the same time.
func (a *actor) attend(ctx context.Context, n int, pause time.Duration) error {
	if err := work(ctx, pause); err != nil {
		return err
	}
	a.say("arrives")
	e, err := barrier.NewDouble(a.Session, "/barrier", n, barrier.WithID(a.name)).Enter(ctx)
	if err != nil {
		return err
	}
	a.say("begins, round %d", e.Round())
	if err := work(e.Context(), pause); err != nil {
		return err
	}
	if err := e.Leave(ctx); err != nil {
		return err
	}
	a.say("leaves, after all have finished")
	return nil
}
