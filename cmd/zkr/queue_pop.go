package main

import (
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
		Short: "Take items out, and print them",
		Long: `Wait for an item, print its value, and take it out of the queue. In the native layout
an item is claimed, printed and then taken out: if it cannot be printed, it stays in
the queue, and if zkr dies in between, it is handed out again. With --at-most-once, and
in the other layouts, an item is taken out before it is printed.

With -n, do not wait, and print no more than there are.

Exit codes: 0, 1 with -n if there is none, 2 for bad usage, 3 if no server can be
reached or the session is lost, 4 if not authorised, 5 if the output cannot be written,
128+N if signal N came first.`,
		Example: `  zkr queue pop /jobs
  zkr queue pop -n --count 100 /jobs`,
		Args: onePath,
	}
	fs := cmd.Flags()
	fs.IntVar(&count, "count", 1, "take `N` items")
	fs.BoolVarP(&now, "nonblock", "n", false, "do not wait")
	fs.BoolVar(&atMostOnce, "at-most-once", false, "take an item out before it is printed")
	f.register(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		l, err := f.parse()
		if err != nil {
			return err
		}
		if count <= 0 {
			return usage("--count %d", count)
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

// pop takes items out and prints them.
func (c *client) pop(ctx context.Context, path string, q *queue.Queue[[]byte], count int, now bool) error {
	// What is being taken out when a signal comes is taken out and printed.
	taking, cancel := withCloseGrace(ctx, c.sig.ReleaseContext())
	defer cancel()
	for left := count; left > 0; {
		vs, err := q.TryPopN(taking, left)
		if errors.Is(err, queue.ErrEmpty) {
			if now {
				return c.empty(path, left < count)
			}
			vs, err = q.PopN(ctx, 1)
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

// popClaimed claims items, prints them, and takes out those that are printed. A
// claim whose owner has gone ends with the session, and its item stays.
func (c *client) popClaimed(ctx context.Context, path string, q *queue.Queue[[]byte], count int, now bool) (err error) {
	// What has been printed when a signal comes is taken out.
	taking, cancel := withCloseGrace(ctx, c.sig.ReleaseContext())
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
		item, err := claim(ctx)
		if now && errors.Is(err, queue.ErrEmpty) {
			return c.empty(path, n > 0)
		}
		if err != nil {
			return err
		}
		if err := c.printData(item.Value, newPayload(item.Value)); err != nil {
			return errors.Join(err, item.Nack(taking))
		}
		unacknowledged++
		go func() { acks <- item.Ack(taking) }()
	}
	return nil
}

// empty is the result of a pop that found no more items.
func (c *client) empty(path string, some bool) error {
	if some {
		return nil
	}
	c.notice("%s: %v", path, queue.ErrEmpty)
	return exit(exitNo, nil)
}

// withCloseGrace outlives ctx, for as long as it takes to hear of what has been sent, but
// not patience.
func withCloseGrace(ctx, patience context.Context) (context.Context, context.CancelFunc) {
	lingering, cancel := context.WithCancel(patience)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(closeGrace, cancel) })
	return lingering, func() { stop(); cancel() }
}
