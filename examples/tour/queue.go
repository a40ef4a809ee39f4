package main

import (
	"context"
	"errors"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/queue"
)

// handOver kills a worker in the middle of a job, which another then does.
func handOver(ctx context.Context, st *stage) error {
	all, err := st.actors(ctx, "ann", "bob", "cleo")
	if err != nil {
		return err
	}
	defer all.leave()
	ann, bob, cleo := all[0], all[1], all[2]
	jobs := []string{"wash", "dry", "iron"}
	if _, err := ann.jobs().PushAll(ctx, jobs); err != nil {
		return err
	}
	ann.say("has pushed %v", jobs)
	item, err := bob.jobs().Claim(ctx)
	if err != nil {
		return err
	}
	bob.say("begins to %s, attempt %d", item.Value, item.Attempt)
	bob.die()

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	left := len(jobs)
	err = cleo.jobs().Consume(ctx, func(_ context.Context, item *queue.Item[string]) error {
		cleo.say("does %s, attempt %d", item.Value, item.Attempt)
		if left--; left == 0 {
			stop(errDone)
		}
		return nil
	})
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

var errDone = errors.New("all is done")

func (a *actor) jobs() *queue.Queue[string] {
	return queue.New(a.Session, "/queue", codec.Text(), queue.WithID(a.name))
}
