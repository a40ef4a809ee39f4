package main

import (
	"context"
	"errors"
	"sync"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
)

// finishTasks kills the master of a pool and a worker that runs a task.
func finishTasks(ctx context.Context, st *stage) error {
	all, err := st.actors(ctx, "ann", "bob", "cleo", "dora")
	if err != nil {
		return err
	}
	defer all.close()
	ann, bob, cleo, dora := all[0], all[1], all[2], all[3]
	var running sync.WaitGroup
	defer running.Wait()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	start := func(part func(context.Context) error) {
		running.Go(func() {
			if err := part(ctx); !errors.Is(err, session.ErrClosed) {
				stop(err) // has no effect if ctx has ended before
			}
		})
	}

	var tickets []*tasks.Ticket[string]
	for _, what := range []string{"dig", "plant", "water"} {
		t, err := bob.pool().Submit(ctx, what)
		if err != nil {
			return err
		}
		tickets = append(tickets, t)
	}
	begun := make(chan struct{})
	start(func(ctx context.Context) error { return ann.pool().Master(ctx) })
	start(func(ctx context.Context) error {
		return cleo.pool().Work(ctx, cleo.name, func(ctx context.Context, t tasks.Task[string]) (string, error) {
			cleo.say("begins %s, attempt %d", t.Input, t.Attempt)
			if t.Input == "plant" {
				close(begun)
				<-ctx.Done()
				return "", context.Cause(ctx)
			}
			return cleo.name, nil
		})
	})
	if _, err := receive(ctx, begun); err != nil {
		return err
	}
	start(func(ctx context.Context) error { return bob.pool().Master(ctx) }) // waits while ann is the master
	ann.kill()
	cleo.kill()
	start(func(ctx context.Context) error {
		return dora.pool().Work(ctx, dora.name, func(_ context.Context, t tasks.Task[string]) (string, error) {
			dora.say("finishes %s, attempt %d", t.Input, t.Attempt)
			return dora.name, nil
		})
	})
	for _, t := range tickets {
		worker, err := t.Wait(ctx)
		if err != nil {
			return err
		}
		bob.say("gets the result of %s: done by %s", t.ID(), worker)
	}
	return nil
}

func (a *actor) pool() *tasks.Pool[string, string] {
	return tasks.New(a.Session, "/pool", codec.Text(), codec.Text(), tasks.WithAddress(a.name))
}
