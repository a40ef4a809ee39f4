package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zkrecipes/zkrecipes/lock"
)

// expire cuts the holder of a lock off, while another waits for it.
func expire(ctx context.Context, st *stage) error {
	all, err := st.actors(ctx, "ann", "bob")
	if err != nil {
		return err
	}
	defer all.leave()
	ann, bob := all[0], all[1]
	mine := lock.New(ann.Session, "/expiry", lock.WithID(ann.name))
	held, err := mine.Lock(ctx)
	if err != nil {
		return err
	}
	ann.say("holds the lock, token %d, session 0x%x", held.Token(), held.SessionID())

	next := make(chan error, 1)
	go func() {
		next <- lock.New(bob.Session, "/expiry", lock.WithID(bob.name)).Do(ctx, func(ctx context.Context, l *lock.Lease) error {
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
	ann.say("is told: %v", held.Err())
	if err := <-next; err != nil {
		return err
	}

	// The session heals itself; ownership does not.
	ann.reconnect()
	return mine.Do(ctx, func(_ context.Context, l *lock.Lease) error {
		ann.say("is back with session 0x%x, and holds the lock again, token %d", l.SessionID(), l.Token())
		return nil
	})
}
