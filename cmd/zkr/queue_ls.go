package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/queue"
)

func newQueueLs(a *app) *cobra.Command {
	var f layoutFlag
	var at pathCheck
	cmd := &cobra.Command{
		Use:   "ls PATH",
		Short: "Print the items in order",
		Long: `Print a line for each item, in order: its id, its state (waiting, delayed or
claimed) and its value. The queue is not changed.

Exit codes: 0, 1 if PATH has the nodes of another recipe, 2 for bad usage, 3 if
no server can be reached, 4 if not authorised, 5 if the output cannot be
written.`,
		Args: onePath,
	}
	f.register(cmd)
	at.register(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		l, err := f.parse()
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
	return a.print(fmt.Sprintf("%s %s %s", e.ID, state, oneLine(e.Value)), struct {
		ID        string `json:"id"`
		State     string `json:"state"`
		Priority  int    `json:"priority"`
		Attempts  int    `json:"attempts"`
		Claimant  string `json:"claimant,omitempty"`
		NotBefore string `json:"notBefore,omitempty"`
		payload
	}{e.ID, state, e.Priority, e.Attempts, e.Claimant, due, newPayload(e.Value)})
}
