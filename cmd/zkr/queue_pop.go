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
	var now bool
	cmd := &cobra.Command{
		Use:   "pop [flags] PATH",
		Short: "Take items out, and print them",
		Long: `Wait for an item, take it out of the queue, and print its value. What is printed has
been taken out: whoever cannot afford to lose it then should use work.

With -n, do not wait, and print no more than there are.

Exit codes: 0, 1 with -n if there is none, 2 for bad usage, 3 if no server can be
reached or the session is lost, 4 if not authorised, 128+N if signal N came first.`,
		Example: `  zkr queue pop /jobs
  zkr queue pop -n --count 100 /jobs`,
		Args: onlyPath,
	}
	fs := cmd.Flags()
	fs.IntVar(&count, "count", 1, "take `N` items")
	fs.BoolVarP(&now, "nonblock", "n", false, "do not wait")
	f.register(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		l, err := f.layout()
		if err != nil {
			return err
		}
		if count <= 0 {
			return usage("--count %d", count)
		}
		return a.use(func(ctx context.Context, c *client) error {
			return c.pop(ctx, args[0], l, count, now)
		})
	}
	return cmd
}

func (c *client) pop(ctx context.Context, path string, l queue.Layout, count int, now bool) error {
	q := c.queue(path, l)
	// What is being taken out when a signal comes is taken out and printed.
	taking, cancel := linger(ctx, c.sig.patience)
	defer cancel()
	for left := count; left > 0; {
		vs, err := q.TryPopN(taking, left)
		if errors.Is(err, queue.ErrEmpty) {
			switch {
			case now && left == count:
				c.notice("%s: %v", path, err)
				return exit(exitNo, nil)
			case now:
				return nil
			}
			vs, err = c.popNext(ctx, taking, q, l)
		}
		if err != nil {
			return exitOfQueue(err)
		}
		for _, v := range vs {
			if err := c.whole(v, newPayload(v)); err != nil {
				return err
			}
		}
		if left -= len(vs); left > 0 && ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// popNext waits for an item and takes it out. Where items can be claimed, that is
// done in two steps, so that the wait can be ended at any moment without losing
// one: a claim that nobody is there for any more goes with the session, and its item
// stays.
func (c *client) popNext(ctx, taking context.Context, q *queue.Queue[[]byte], l queue.Layout) ([][]byte, error) {
	if l != queue.Native {
		return q.PopN(ctx, 1)
	}
	for {
		item, err := q.Claim(ctx)
		if err != nil {
			return nil, err
		}
		switch err := item.Ack(taking); {
		case err == nil:
			return [][]byte{item.Value}, nil
		case !errors.Is(err, queue.ErrLost): // it is somebody else's then
			return nil, err
		}
	}
}

// linger outlives ctx, for as long as it takes to hear of what has been sent, but
// not patience.
func linger(ctx, patience context.Context) (context.Context, context.CancelFunc) {
	lingering, cancel := context.WithCancel(patience)
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(goodbye, cancel) })
	return lingering, func() { stop(); cancel() }
}
