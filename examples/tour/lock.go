package main

import (
	"context"
	"errors"
	"time"

	"github.com/zkrecipes/zkrecipes/lock"
)

// contend has three processes take two turns each.
func contend(ctx context.Context, st *stage) error {
	all, err := st.actors(ctx, "ann", "bob", "cleo")
	if err != nil {
		return err
	}
	defer all.leave()
	results := make(chan error)
	for _, a := range all {
		go func() { results <- a.takeTurns(ctx, 2) }()
	}
	for range all {
		err = errors.Join(err, <-results)
	}
	return err
}

func (a *actor) takeTurns(ctx context.Context, n int) error {
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
