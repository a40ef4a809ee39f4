package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/queue"
)

func newQueue(a *app) *cobra.Command {
	return group("queue", "Pass items from those who produce them to those who consume them",
		`Pass items from those who produce them to those who consume them, in order, each to
one.`,
		newQueuePush(a), newQueuePop(a), newQueueWork(a), newQueueLen(a), newQueueLs(a), newQueueDead(a))
}

// layoutFlag is --layout, whose nodes to use.
type layoutFlag struct{ name string }

func (f *layoutFlag) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.name, "layout", "native", "whose nodes to use: `native`, curator (DistributedQueue), simple (SimpleDistributedQueue) or kazoo (Queue)")
}

func (f *layoutFlag) layout() (queue.Layout, error) {
	switch f.name {
	case "native":
		return queue.Native, nil
	case "curator":
		return queue.Curator, nil
	case "simple":
		return queue.CuratorSimple, nil
	case "kazoo":
		return queue.Kazoo, nil
	}
	return 0, usage("--layout %s is none of native, curator, simple and kazoo", f.name)
}

// layoutRecipes are the recipes that queues of each layout are recognised as.
var layoutRecipes = map[queue.Layout]recipe{
	queue.Native: aQueue, queue.Curator: aCuratorQueue, queue.CuratorSimple: aSimpleQueue, queue.Kazoo: aKazooQueue,
}

// queue names the queue at path. Items are bytes, and mean nothing to zkr.
func (c *client) queue(path string, l queue.Layout, opts ...queue.Option) *queue.Queue[[]byte] {
	return queue.New(c.Session, path, codec.Bytes(), append(opts, queue.WithLayout(l))...)
}

// exitOfQueue tells mistakes of the user from errors of the session.
func exitOfQueue(err error) error {
	if errors.Is(err, queue.ErrUnsupported) {
		return exit(exitUsage, err)
	}
	return err
}

func newQueueLen(a *app) *cobra.Command {
	var f layoutFlag
	var at subject
	cmd := &cobra.Command{
		Use:   "len PATH",
		Short: "Print how many items there are",
		Long: `Print how many items there are, with those that are claimed or not yet due.

Exit codes: 0, 1 if PATH has the nodes of another recipe, 2 for bad usage, 3 if no
server can be reached, 4 if not authorised, 5 if the output cannot be written.`,
		Args: onlyPath,
	}
	f.register(cmd)
	at.register(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		l, err := f.layout()
		if err != nil {
			return err
		}
		return at.read(a, args[0], []recipe{layoutRecipes[l]}, func(ctx context.Context, c *client) error {
			n, err := c.queue(args[0], l).Len(ctx)
			if err != nil {
				return err
			}
			return a.print(fmt.Sprint(n), struct {
				Len int `json:"len"`
			}{n})
		})
	}
	return cmd
}

func newQueueLs(a *app) *cobra.Command {
	var f layoutFlag
	var at subject
	cmd := &cobra.Command{
		Use:   "ls PATH",
		Short: "Print the items in their order",
		Long: `Print the items in their order, and leave them where they are: a line for each
with its id, its state (waiting, delayed or claimed) and its value.

Exit codes: 0, 1 if PATH has the nodes of another recipe, 2 for bad usage, 3 if no
server can be reached, 4 if not authorised, 5 if the output cannot be written.`,
		Args: onlyPath,
	}
	f.register(cmd)
	at.register(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		l, err := f.layout()
		if err != nil {
			return err
		}
		return at.read(a, args[0], []recipe{layoutRecipes[l]}, func(ctx context.Context, c *client) error {
			for e, err := range c.queue(args[0], l).All(ctx) {
				switch {
				case errors.Is(err, queue.ErrCorrupt):
					a.notice("%v", err)
				case err != nil:
					return err
				default:
					if err := a.printItem(e); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	return cmd
}

func (a *app) printItem(e queue.Entry[[]byte]) error {
	state, due := "waiting", ""
	if e.NotBefore.After(time.Now()) {
		state = "delayed"
	}
	if !e.NotBefore.IsZero() {
		due = e.NotBefore.Format(time.RFC3339Nano)
	}
	if e.Claimed {
		state = "claimed"
	}
	return a.print(fmt.Sprintf("%s %s %s", e.ID, state, inLine(e.Value)), struct {
		ID        string `json:"id"`
		State     string `json:"state"`
		Priority  int    `json:"priority"`
		Attempts  int    `json:"attempts"`
		Claimant  string `json:"claimant,omitempty"`
		NotBefore string `json:"notBefore,omitempty"`
		payload
	}{e.ID, state, e.Priority, e.Attempts, e.Claimant, due, newPayload(e.Value)})
}
