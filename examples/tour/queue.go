package main

import (
	"context"
	"errors"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/queue"
)

// repeatItem kills a consumer that has claimed an item, which another one then gets.
func repeatItem(ctx context.Context, st *stage) error {
	all, err := st.actors(ctx, "ann", "bob", "cleo")
	if err != nil {
		return err
	}
	defer all.close()
	ann, bob, cleo := all[0], all[1], all[2]
	jobs := []string{"wash", "dry", "iron"}
	if _, err := ann.jobs().PushAll(ctx, jobs); err != nil {
		return err
	}
	ann.say("pushes %v", jobs)
	item, err := bob.jobs().Claim(ctx)
	if err != nil {
		return err
	}
	bob.say("claims %s, attempt %d", item.Value, item.Attempt)
	bob.kill()

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	left := len(jobs)
	err = cleo.jobs().Consume(ctx, func(_ context.Context, item *queue.Item[string]) error {
		cleo.say("consumes %s, attempt %d", item.Value, item.Attempt)
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

var errDone = errors.New("the queue is empty")

func (a *actor) jobs() *queue.Queue[string] {
	return queue.New(a.Session, "/queue", codec.Text(), queue.WithID(a.name))
}
