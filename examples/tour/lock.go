package main

import (
	"context"
	"errors"
	"time"

	"github.com/zkrecipes/zkrecipes/lock"
)

// takeTurns lets three processes hold a lock twice each.
func takeTurns(ctx context.Context, st *stage) error {
	all, err := st.actors(ctx, "ann", "bob", "cleo")
	if err != nil {
		return err
	}
	defer all.close()
	results := make(chan error)
	for _, a := range all {
		go func() { results <- a.hold(ctx, 2) }()
	}
	for range all {
		err = errors.Join(err, <-results)
	}
	return err
}

func (a *actor) hold(ctx context.Context, n int) error {
	m := lock.New(a.Session, "/lock", lock.WithID(a.name))
	for range n {
		err := m.Do(ctx, func(ctx context.Context, l *lock.Lease) error {
			a.say("holds the lock, token %d", l.Token())
			return work(ctx, 100*time.Millisecond)
		})
		if err != nil {
			return err
		}
	}
	return nil
}
