package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/queue"
)

func newQueue(a *app) *cobra.Command {
	return group("queue", "Pass items from producers to consumers",
		`Pass items from producers to consumers, in order. Each item goes to one
consumer.`,
		newQueuePush(a), newQueuePop(a), newQueueWork(a), newQueueLen(a), newQueueLs(a), newQueueDead(a))
}

// layoutFlag is the flag --layout.
type layoutFlag struct{ name string }

func (f *layoutFlag) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.name, "layout", "native", "the nodes to use: `native`, curator (DistributedQueue), simple (SimpleDistributedQueue) or kazoo (Queue)")
}

func (f *layoutFlag) parse() (queue.Layout, error) {
	l, ok := queueLayouts[f.name]
	if !ok {
		return 0, usage("--layout %s is none of native, curator, simple and kazoo", f.name)
	}
	return l, nil
}

// queueLayouts maps each value of --layout to its layout.
var queueLayouts = map[string]queue.Layout{
	"native": queue.Native, "curator": queue.Curator, "simple": queue.CuratorSimple, "kazoo": queue.Kazoo,
}

// readingQueue is app.reading for commands that read a queue in any layout.
func (a *app) readingQueue(cmd *cobra.Command, f func(context.Context, *queue.Queue[[]byte]) error) *cobra.Command {
	var flag layoutFlag
	var target pathCheck
	flag.register(cmd)
	target.register(cmd)
	cmd.Args = onePath
	cmd.Long += readingCodes
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		l, err := flag.parse()
		if err != nil {
			return err
		}
		read := func(ctx context.Context, c *client) error { return f(ctx, c.queue(args[0], l)) }
		return a.withListing(target.then(read, args[0], layoutRecipes[l]))
	}
	return cmd
}

// layoutRecipes maps each layout to the recipe that its queues are recognized as.
var layoutRecipes = map[queue.Layout]recipe{
	queue.Native: recipeQueue, queue.Curator: recipeCuratorQueue, queue.CuratorSimple: recipeSimpleQueue, queue.Kazoo: recipeKazooQueue,
}

// queue returns the queue at path. zkr does not interpret the items.
func (c *client) queue(path string, l queue.Layout, opts ...queue.Option) *queue.Queue[[]byte] {
	return queue.New(c.Session, path, codec.Bytes(), append(opts, queue.WithLayout(l))...)
}

// exitOfQueue adds the exit code for bad usage to errors of an unsupported operation.
func exitOfQueue(err error) error {
	if errors.Is(err, queue.ErrUnsupported) {
		return exit(exitUsage, err)
	}
	return err
}
