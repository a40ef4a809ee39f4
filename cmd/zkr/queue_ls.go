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
	cmd := &cobra.Command{
		Use:   "ls PATH",
		Short: "Print the items in order",
		Long: `Print a line for each item, in order: its id, its state (waiting, delayed or
claimed) and its value. The queue is not changed.
`,
	}
	return a.readingQueue(cmd, func(ctx context.Context, q *queue.Queue[[]byte]) error {
		for e, err := range q.All(ctx) {
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
