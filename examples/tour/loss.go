package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zkrecipes/zkrecipes/lock"
)

// loseLock cuts off the holder of a lock while another process waits for it.
func loseLock(ctx context.Context, st *stage) error {
	all, err := st.actors(ctx, "ann", "bob")
	if err != nil {
		return err
	}
	defer all.close()
	ann, bob := all[0], all[1]
	mine := lock.New(ann.Session, "/loss", lock.WithID(ann.name))
	held, err := mine.Lock(ctx)
	if err != nil {
		return err
	}
	ann.say("holds the lock, token %d, session 0x%x", held.Token(), held.SessionID())

	next := make(chan error, 1)
	go func() {
		next <- lock.New(bob.Session, "/loss", lock.WithID(bob.name)).Do(ctx, func(ctx context.Context, l *lock.Lease) error {
			bob.say("holds the lock, token %d", l.Token())
			return work(ctx, 100*time.Millisecond)
		})
	}()
	if err := work(ctx, 300*time.Millisecond); err != nil {
		return err
	}
	ann.say("is cut off from the servers")
	ann.cut()
	select {
	case <-held.Context().Done():
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if !errors.Is(held.Err(), lock.ErrLost) {
		return fmt.Errorf("a lease that was cut off: %w", held.Err())
	}
	ann.say("knows that it has lost the lock: Lease.Err wraps lock.ErrLost")
	if err := <-next; err != nil {
		return err
	}

	// The session reconnects by itself, but a lost lock must be acquired again.
	ann.reconnect()
	return mine.Do(ctx, func(_ context.Context, l *lock.Lease) error {
		ann.say("is connected again, in session 0x%x, and holds the lock, token %d", l.SessionID(), l.Token())
		return nil
	})
}
