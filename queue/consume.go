package queue

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
)

// errConsumersLost is the reason of a dead letter whose last consumer has not lived to
// give one.
var errConsumersLost = errors.New("queue: its consumers have died or lost their claims")

// Consume claims items and calls fn for each, at most Concurrency at a time, until
// ctx ends. If fn returns nil, the item is acknowledged. If it returns an error, the
// item is put back after a pause (see RetryAfter), or made a dead letter if that
// was its last attempt (see MaxAttempts). fn may settle the item itself instead.
//
// The context that fn is given ends when ctx does and when the claim is lost. An
// item is worked on at least once: one whose claim was lost in the middle is
// claimed again, perhaps while fn still runs here, and so may be one that fn
// has dealt with when the acknowledgement did not get through.
//
// Consume returns nil if ctx is done, and an error if it cannot continue, for example
// because access is denied or the session is closed. In both cases all calls of fn have
// returned and their items are settled, which only the end of the session cuts short.
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

// maxUnsettled is how many items Consume holds beside those that are worked on: while
// they are acknowledged, and during the pause after a failed attempt.
const maxUnsettled = 64

// consumer is one call of Consume.
type consumer[T any] struct {
	opts    consumeOptions
	queue   *Queue[T]
	fn      func(context.Context, *Item[T]) error
	cancel  context.CancelFunc
	working chan struct{} // has room for the items that are worked on
	holding chan struct{} // has room for those that are claimed
	all     sync.WaitGroup

	mu      sync.Mutex
	failure error // why Consume ends, unless the caller's context has ended
}

// fail ends Consume with an error.
func (c *consumer[T]) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failure = cmp.Or(c.failure, err)
	c.cancel()
}

// reserve waits until an item may be claimed, or ctx is done, and returns how many may
// be claimed.
func (c *consumer[T]) reserve(ctx context.Context) (n int) {
	for takeRoom(ctx, c.holding, n == 0) {
		if !takeRoom(ctx, c.working, n == 0) {
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

func takeRoom(ctx context.Context, room chan struct{}, wait bool) bool {
	if !wait {
		select {
		case room <- struct{}{}:
			return true
		default:
			return false
		}
	}
	select {
	case room <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

// consume works on an item and settles it.
func (c *consumer[T]) consume(ctx context.Context, item *Item[T]) {
	defer func() { <-c.holding }()
	err := errConsumersLost
	if item.Attempt <= c.opts.maxAttempts {
		err = c.call(ctx, item)
	}
	<-c.working
	// The outcome is settled whatever has become of ctx.
	settle := context.WithoutCancel(ctx)
	var refusal error
	switch {
	case err == nil:
		refusal = item.Ack(settle)
	case ctx.Err() != nil && item.Attempt <= c.opts.maxAttempts: // interrupted, and not failed
		refusal = item.Release(settle)
	case item.Attempt >= c.opts.maxAttempts:
		refusal = item.Bury(settle, err)
	}
	if item.Err() == nil { // it is neither acknowledged nor buried
		if !isRefusal(refusal) {
			c.pause(ctx, item)
		}
		refusal = errors.Join(refusal, item.Nack(settle))
	}
	if item.Err() == nil { // nor may it be put back
		refusal = errors.Join(refusal, item.lease.Release(settle))
	}
	if isRefusal(refusal) {
		c.fail(refusal)
	}
}

func isRefusal(err error) bool {
	c, ok := conflictOf(err)
	return ok && c.refused()
}

// call calls fn with a context that ends with ctx and when the claim is lost, but
// not when fn settles the item, for which it may use it.
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

// pause keeps an item whose attempt has failed from being claimed for a while, by
// holding on to it.
func (c *consumer[T]) pause(ctx context.Context, item *Item[T]) {
	timer := time.NewTimer(c.opts.retryAfter(item.Attempt))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-item.Context().Done():
	case <-ctx.Done():
	}
}
