package session

import (
	"context"
	"runtime"
	"slices"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
)

// Exchange sends calls together as soon as there is a connection, and waits until all
// are done. It returns an error if ctx is done or the ZooKeeper session has ended first;
// if sent is true then, the calls may still be answered.
func (l *link) Exchange(ctx context.Context, calls ...*call) (sent bool, err error) {
	for !sent {
		if ctx.Err() != nil || l.ctx.Err() != nil {
			return false, l.Ended(ctx)
		}
		t, attached := l.gate()
		if t != nil {
			if sent = t.send(calls...); !sent {
				runtime.Gosched() // it has just broken; detach will remove it
			}
			continue
		}
		select {
		case <-attached:
		case <-ctx.Done():
		case <-l.ctx.Done():
		}
	}
	return true, l.Await(ctx, calls...)
}

// Await waits for calls that have been sent. It returns an error if ctx is done or the
// ZooKeeper session has ended first.
func (l *link) Await(ctx context.Context, calls ...*call) error {
	for _, c := range calls {
		select {
		case <-c.done:
		case <-ctx.Done():
			return l.Ended(ctx)
		case <-l.ctx.Done():
			return l.Ended(ctx)
		}
	}
	return nil
}

// Throttle pauses before a request is repeated that a server answered without executing
// it, so that the client does not spin. A broken connection needs no pause, since
// reconnecting backs off.
func (l *link) Throttle(ctx context.Context, calls ...*call) {
	if !slices.ContainsFunc(calls, func(c *call) bool { return c.err == nil && c.retryable() }) {
		return
	}
	backoff.Sleep(100*time.Millisecond, ctx, l.ctx)
}
