package main

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/queue"
)

func newQueuePop(a *app) *cobra.Command {
	var f layoutFlag
	var count int
	var now, atMostOnce bool
	cmd := &cobra.Command{
		Use:   "pop [flags] PATH",
		Short: "Remove items and print them",
		Long: `Wait for an item, print its value, and remove it from the queue. In the native
layout an item is claimed, printed and then removed: if it cannot be printed,
it stays in the queue, and if zkr dies in between, it is delivered again. With
--at-most-once, and in the other layouts, an item is removed before it is
printed.

With -n, do not wait, and print at most the items that are there.

Exit codes: 0, 1 with -n if the queue is empty, 2 for bad usage, 3 if no server
can be reached or the session is lost, 4 if not authorized, 5 if the output
cannot be written, 128+N if signal N came first.`,
		Example: `  zkr queue pop /jobs
  zkr queue pop -n --count 100 /jobs`,
		Args: onePath,
	}
	fs := cmd.Flags()
	fs.IntVar(&count, "count", 1, "remove `N` items")
	fs.BoolVarP(&now, "nonblock", "n", false, "do not wait")
	fs.BoolVar(&atMostOnce, "at-most-once", false, "remove an item before it is printed")
	f.register(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		l, err := f.parse()
		if err := cmp.Or(err, positive("--count", count)); err != nil {
			return err
		}
		return a.withSession(func(ctx context.Context, c *client) error {
			q := c.queue(args[0], l)
			if l == queue.Native && !atMostOnce {
				return c.popClaimed(ctx, args[0], q, count, now)
			}
			return c.pop(ctx, args[0], q, count, now)
		})
	}
	return cmd
}

// pop removes items and prints them.
func (c *client) pop(ctx context.Context, path string, q *queue.Queue[[]byte], count int, now bool) error {
	// An item whose removal is in flight when a signal comes is removed and printed.
	popCtx, cancel := withCloseGrace(ctx, c.sig.ReleaseContext())
	defer cancel()
	for left := count; left > 0; {
		vs, err := q.TryPopN(popCtx, left)
		if errors.Is(err, queue.ErrEmpty) {
			if now {
				return c.empty(path, left < count)
			}
			stop := c.explain(ctx, itemsOf(path, q.Len))
			vs, err = q.PopN(ctx, 1)
			stop()
		}
		if err != nil {
			return exitOfQueue(err)
		}
		for _, v := range vs {
			if err := c.printData(v, newPayload(v)); err != nil {
				return err
			}
		}
		if left -= len(vs); left > 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// popClaimed claims items, prints them, and acknowledges the printed ones. A claim that
// is not acknowledged ends with the session, and its item stays in the queue.
func (c *client) popClaimed(ctx context.Context, path string, q *queue.Queue[[]byte], count int, now bool) (err error) {
	// An item that was printed when a signal comes is acknowledged.
	popCtx, cancel := withCloseGrace(ctx, c.sig.ReleaseContext())
	defer cancel()
	claim := q.Claim
	if now {
		claim = q.TryClaim
	}
	acks := make(chan error, 1)
	unacknowledged := 0
	defer func() {
		for range unacknowledged {
			err = errors.Join(err, <-acks)
		}
		err = exitOfQueue(err)
	}()
	for n := range count {
		stop := c.explain(ctx, itemsOf(path, q.Len))
		item, err := claim(ctx)
		stop()
		if now && errors.Is(err, queue.ErrEmpty) {
			return c.empty(path, n > 0)
		}
		if err != nil {
			return err
		}
		if err := c.printData(item.Value, newPayload(item.Value)); err != nil {
			return errors.Join(err, item.Nack(popCtx))
		}
		unacknowledged++
		go func() { acks <- item.Ack(popCtx) }()
	}
	return nil
}

// empty returns the result of a pop that found no more items.
func (c *client) empty(path string, some bool) error {
	if some {
		return nil
	}
	return exitNotice(exitNo, atPath(path, queue.ErrEmpty))
}

// withCloseGrace returns a context that ends closeGrace after ctx, so that replies to
// requests in flight are still received, and no later than release.
func withCloseGrace(ctx, release context.Context) (context.Context, context.CancelFunc) {
	longer, cancel := context.WithCancel(release)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(closeGrace, cancel) })
	return longer, func() { stop(); cancel() }
}
