package conn

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
func (cc *Conn) Exchange(ctx context.Context, calls ...*Call) (sent bool, err error) {
	for !sent {
		if ctx.Err() != nil || cc.ctx.Err() != nil {
			return false, cc.Ended(ctx)
		}
		t, attached := cc.gate()
		if t != nil {
			if sent = t.send(calls...); !sent {
				runtime.Gosched() // it has just broken; detach will remove it
			}
			continue
		}
		select {
		case <-attached:
		case <-ctx.Done():
		case <-cc.ctx.Done():
		}
	}
	return true, cc.Await(ctx, calls...)
}

// Await waits for calls that have been sent. It returns an error if ctx is done or the
// ZooKeeper session has ended first.
func (cc *Conn) Await(ctx context.Context, calls ...*Call) error {
	for _, c := range calls {
		select {
		case <-c.done:
		case <-ctx.Done():
			return cc.Ended(ctx)
		case <-cc.ctx.Done():
			return cc.Ended(ctx)
		}
	}
	return nil
}

// Throttle pauses before a request is repeated that a server answered without executing
// it, so that the client does not spin. A broken connection needs no pause, since
// reconnecting backs off.
func (cc *Conn) Throttle(ctx context.Context, calls ...*Call) {
	if !slices.ContainsFunc(calls, func(c *Call) bool { return c.Err == nil && c.Retryable() }) {
		return
	}
	backoff.Sleep(100*time.Millisecond, ctx, cc.ctx)
}
