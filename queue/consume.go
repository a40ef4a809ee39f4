package queue

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/refusal"
)

// errConsumersLost is the reason of a dead letter whose last consumer died or lost
// its claim.
var errConsumersLost = errors.New("queue: its consumers died or lost their claims")

// Consume claims items and calls fn for each, up to WithConcurrency at a time,
// until ctx is done.
//
// If fn returns nil, the item is acknowledged. If fn returns an error, the item is
// put back after a pause (WithRetryAfter), or made a dead letter after its last
// attempt (WithMaxAttempts). fn may settle the item itself instead.
//
// The context passed to fn is canceled when ctx is done and when the claim is lost.
// fn is called at least once for each item and must tolerate more calls: an item
// whose claim was lost is claimed again, possibly while fn still runs here, and so
// may be an item that fn has processed but whose acknowledgement failed.
//
// Consume returns nil if ctx is done, and an error if it cannot continue, for
// example because access is denied or the session is closed. In both cases all
// calls of fn have returned and their items are settled, unless the session ended
// first.
func (q *Queue[T]) Consume(ctx context.Context, fn func(context.Context, *Item[T]) error, opts ...ConsumeOption) error {
	if err := q.store.usable("consume", true); err != nil {
		return err
	}
	o, err := newConsumeOptions(opts)
	if err := cmp.Or(args.NotNil("the function", fn == nil), err); err != nil {
		return q.store.fail("consume", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &consumer[T]{
		queue: q, fn: fn, opts: o, cancel: cancel,
		working: make(chan struct{}, o.concurrency),
		holding: make(chan struct{}, o.concurrency+maxUnsettled),
	}
	for ctx.Err() == nil {
		n := c.reserve(ctx)
		if n == 0 {
			break
		}
		items, err := q.claim(ctx, n, true)
		c.release(n - len(items))
		if err != nil && ctx.Err() == nil {
			c.fail(err)
		}
		for _, item := range items {
			c.all.Go(func() { c.consume(ctx, item) })
		}
	}
	c.all.Wait()
	return c.failure
}

// maxUnsettled is how many items Consume may hold in addition to those passed to
// fn: while they are acknowledged, and during the pause after a failed attempt.
const maxUnsettled = 64

// consumer is one call of Consume.
type consumer[T any] struct {
	opts    consumeOptions
	queue   *Queue[T]
	fn      func(context.Context, *Item[T]) error
	cancel  context.CancelFunc
	working chan struct{} // semaphore for the items passed to fn
	holding chan struct{} // semaphore for the claimed items
	all     sync.WaitGroup

	mu      sync.Mutex
	failure error // why Consume ends, unless the caller's context has ended
}

// fail makes Consume return err.
func (c *consumer[T]) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failure = cmp.Or(c.failure, err)
	c.cancel()
}

// reserve waits until an item may be claimed or ctx is done, and returns how many
// items may be claimed.
func (c *consumer[T]) reserve(ctx context.Context) (n int) {
	for acquire(ctx, c.holding, n == 0) {
		if !acquire(ctx, c.working, n == 0) {
			<-c.holding
			break
		}
		n++
	}
	return n
}

func (c *consumer[T]) release(n int) {
	for range n {
		<-c.working
		<-c.holding
	}
}

func acquire(ctx context.Context, semaphore chan struct{}, wait bool) bool {
	if !wait {
		select {
		case semaphore <- struct{}{}:
			return true
		default:
			return false
		}
	}
	select {
	case semaphore <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// consume calls fn for an item and settles it.
func (c *consumer[T]) consume(ctx context.Context, item *Item[T]) {
	defer func() { <-c.holding }()
	err := errConsumersLost
	if item.Attempt <= c.opts.maxAttempts {
		err = c.call(ctx, item)
	}
	<-c.working
	// The item is settled even if ctx has ended.
	settle := context.WithoutCancel(ctx)
	var failed error
	switch {
	case err == nil:
		failed = item.Ack(settle)
	case ctx.Err() != nil && item.Attempt <= c.opts.maxAttempts: // interrupted, which is not a failed attempt
		failed = item.Release(settle)
	case item.Attempt >= c.opts.maxAttempts:
		failed = item.Bury(settle, err)
	}
	if item.Err() == nil { // neither acknowledged nor buried
		if !refusal.IsDenied(failed) {
			c.pause(ctx, item)
		}
		failed = errors.Join(failed, item.Nack(settle))
	}
	if item.Err() == nil { // the server refused to put it back
		failed = errors.Join(failed, item.lease.Release(settle))
	}
	if refusal.IsDenied(failed) {
		c.fail(failed)
	}
}

// call calls fn with a context that ends with ctx and when the claim is lost, but
// not when fn settles the item, so that fn can use the context after that.
func (c *consumer[T]) call(ctx context.Context, item *Item[T]) error {
	fctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(item.Context(), func() {
		if errors.Is(item.Err(), ErrLost) {
			cancel(item.Err())
		}
	})()
	return c.fn(fctx, item)
}

// pause keeps an item claimed for a while after a failed attempt, so that no
// consumer claims it during that time.
func (c *consumer[T]) pause(ctx context.Context, item *Item[T]) {
	timer := time.NewTimer(c.opts.retryAfter(item.Attempt))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-item.Context().Done():
	case <-ctx.Done():
	}
}
