// Package backoff computes the pauses between attempts and waits for them.
package backoff

import (
	"context"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Backoff yields pauses that double. Use one for each sequence of attempts. It is
// not safe for concurrent use.
type Backoff struct{ pauses *backoff.ExponentialBackOff }

// New returns a Backoff whose pauses double from first to longest. Each pause is made
// shorter or longer at random, by up to the fraction jitter (0 to 1).
func New(first, longest time.Duration, jitter float64) *Backoff {
	return &Backoff{backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(first),
		backoff.WithMaxInterval(longest),
		backoff.WithMultiplier(2),
		backoff.WithRandomizationFactor(jitter),
		backoff.WithMaxElapsedTime(0),
	)}
}

// Next returns the pause before the next attempt.
func (b *Backoff) Next() time.Duration { return b.pauses.NextBackOff() }

// Reset makes the next pause the shortest one again.
func (b *Backoff) Reset() { b.pauses.Reset() }

// Wait waits for Next. If ctx is done first, it returns context.Cause(ctx).
func (b *Backoff) Wait(ctx context.Context) error { return Sleep(b.Next(), ctx) }

// Doubling returns a function that takes the number of failed attempts, from 1, and
// returns the pause. Pauses double from first to longest, without jitter.
func Doubling(first, longest time.Duration) func(attempt int) time.Duration {
	return func(attempt int) time.Duration {
		d := first
		for range attempt - 1 {
			if d *= 2; d >= longest {
				return longest
			}
		}
		return d
	}
}

// Sleep waits for d. If one of ctxs is done first, it returns that context's cause.
func Sleep(d time.Duration, ctxs ...context.Context) error {
	if d <= 0 {
		return nil
	}
	ended := make(chan error, len(ctxs))
	for _, ctx := range ctxs {
		defer context.AfterFunc(ctx, func() { ended <- context.Cause(ctx) })()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case err := <-ended:
		return err
	}
}
