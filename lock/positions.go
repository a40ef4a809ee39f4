package lock

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/line"
	"github.com/zkrecipes/zkrecipes/session"
)

// Position returns how many there are ahead that this place has to wait for: 0 if
// it is its turn, or has become a lease. It takes one round trip.
func (p *Place) Position(ctx context.Context) (int, error) {
	for n, err := range p.Positions(ctx) {
		return n, err
	}
	return 0, nil
}

// positionInterval is the shortest time between two looks at the line.
const positionInterval = 250 * time.Millisecond

// Positions yields the position, and then again whenever it has changed, until
// the lock is held. The last pair has an error if there is another reason: the
// cause of ctx, or ErrReleased after Leave.
//
// The line is listed when somebody has come or gone, but no more often than four
// times a second, so that a slow reader misses some positions and a line that moves
// fast is no burden.
func (p *Place) Positions(ctx context.Context) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		last := -1
		for {
			n, next, err := p.readPosition(ctx)
			if err != nil {
				yield(max(last, 0), err)
				return
			}
			if n != last && !yield(n, nil) || next == nil {
				if next != nil {
					next.close()
				}
				return
			}
			last = n
			next.wait(ctx)
		}
	}
}

// readPosition returns the position, and what to wait for before it may be another; nil
// once the lock is held.
func (p *Place) readPosition(ctx context.Context) (int, *positionChange, error) {
	for {
		at, owned, moved := p.current()
		switch {
		case owned:
			return 0, nil, nil
		case p.leaving.Err() != nil:
			return 0, nil, ErrReleased
		case at != nil:
			ahead, w, err := at.Ahead(ctx)
			if err == nil {
				return len(ahead), &positionChange{w, moved, at.Epoch().Context()}, nil
			}
			if !line.IsGone(err) {
				return 0, nil, err
			}
		}
		if err := p.rejoin(ctx, at, moved); err != nil && !errors.Is(err, ErrReleased) {
			return 0, nil, err
		}
	}
}

// positionChange is what may change a position.
type positionChange struct {
	watch *session.Watch
	moved <-chan struct{}
	epoch context.Context
}

func (c *positionChange) close() { c.watch.Close() }

// wait waits for a change, and as long as is to be between two looks.
func (c *positionChange) wait(ctx context.Context) {
	defer c.close()
	soon := time.NewTimer(positionInterval)
	defer soon.Stop()
	select {
	case <-c.watch.Fired():
	case <-c.moved:
		return
	case <-c.epoch.Done():
	case <-ctx.Done():
		return
	}
	select {
	case <-soon.C:
	case <-c.moved:
	case <-ctx.Done():
	}
}
