package zktest

import (
	"context"
	"errors"
	"sync"
	"time"

	client "github.com/zkrecipes/zkrecipes/session"
)

// removeInterval is the pause between two tries to delete a tree that grows.
const removeInterval = 50 * time.Millisecond

// removeTree deletes a node and its descendants. It retries if sessions that are about to
// end create nodes meanwhile, and if the connection breaks.
func removeTree(ctx context.Context, s *client.Session, path string) error {
	tick := time.NewTicker(removeInterval)
	defer tick.Stop()
	for {
		err := s.Sync(ctx, path)
		if err == nil {
			err = removeOnce(ctx, s, path)
		}
		if !errors.Is(err, client.ErrNotEmpty) && !errors.Is(err, client.ErrUnknown) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

// removeOnce deletes a node after its children, whose requests are in flight together. A
// node that must not be read can be deleted only if it has no children.
func removeOnce(ctx context.Context, s *client.Session, path string) error {
	names, _, unreadable := s.Children(ctx, path)
	if unreadable != nil && !errors.Is(unreadable, client.ErrNoAuth) {
		return ignoreNoNode(unreadable)
	}
	errs := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { errs[i] = removeOnce(ctx, s, path+"/"+name) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	err := s.Delete(ctx, path, client.AnyVersion)
	if unreadable != nil && errors.Is(err, client.ErrNotEmpty) {
		return unreadable
	}
	return ignoreNoNode(err)
}

// countEphemerals counts the ephemeral nodes at path and below it.
func countEphemerals(ctx context.Context, s *client.Session, path string) (n int, err error) {
	names, st, err := s.Children(ctx, path)
	if err != nil {
		return 0, ignoreNoNode(err)
	}
	if st.Ephemeral() {
		n = 1
	}
	for _, name := range names {
		below, err := countEphemerals(ctx, s, path+"/"+name)
		if err != nil {
			return 0, err
		}
		n += below
	}
	return n, nil
}

func ignoreNoNode(err error) error {
	if errors.Is(err, client.ErrNoNode) {
		return nil
	}
	return err
}
