package lock

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/line"
	"github.com/zkrecipes/zkrecipes/session"
)

// Position returns the number of contenders ahead that this place has to wait for. It is
// 0 if the place owns the lock or has become a lease. It takes one round trip.
func (p *Place) Position(ctx context.Context) (int, error) {
	for n, err := range p.Positions(ctx) {
		return n, err
	}
	return 0, nil
}

// positionInterval is the shortest time between two listings of the line.
const positionInterval = 250 * time.Millisecond

// Positions yields the position, and yields it again when it has changed, until the lock
// is held. If the iteration ends for another reason, the last pair has an error: the
// cause of ctx, or ErrReleased after Leave.
//
// The line is listed when a contender has joined or left, but at most four times a second.
// In a line that moves fast some positions are therefore skipped, and the servers have
// little work.
func (p *Place) Positions(ctx context.Context) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		last := -1
		for {
			n, change, err := p.readPosition(ctx)
			if err != nil {
				yield(max(last, 0), err)
				return
			}
			if n != last && !yield(n, nil) || change == nil {
				if change != nil {
					change.close()
				}
				return
			}
			last = n
			change.wait(ctx)
		}
	}
}

// readPosition returns the position and the change to wait for before the next read,
// which is nil once the lock is held.
func (p *Place) readPosition(ctx context.Context) (int, *positionChange, error) {
	for {
		w, owned, changed := p.current()
		switch {
		case owned:
			return 0, nil, nil
		case p.leaving.Err() != nil:
			return 0, nil, ErrReleased
		case w != nil:
			ahead, watch, err := w.Ahead(ctx)
			if err == nil {
				return len(ahead), &positionChange{watch, changed, w.Epoch().Context()}, nil
			}
			if !line.IsGone(err) {
				return 0, nil, err
			}
		}
		if err := p.rejoin(ctx, w, changed); err != nil && !errors.Is(err, ErrReleased) {
			return 0, nil, err
		}
	}
}

// positionChange is the events after which a position may differ.
type positionChange struct {
	watch   *session.Watch
	changed <-chan struct{} // see Place.current
	epoch   context.Context
}

func (c *positionChange) close() { c.watch.Close() }

// wait waits for a change, and until positionInterval has passed.
func (c *positionChange) wait(ctx context.Context) {
	defer c.close()
	interval := time.NewTimer(positionInterval)
	defer interval.Stop()
	select {
	case <-c.watch.Fired():
	case <-c.changed:
		return
	case <-c.epoch.Done():
	case <-ctx.Done():
		return
	}
	select {
	case <-interval.C:
	case <-c.changed:
	case <-ctx.Done():
	}
}
