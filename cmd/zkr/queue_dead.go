package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/queue"
)

func newQueueDead(a *app) *cobra.Command {
	return group("dead", "List, requeue or drop dead letters",
		`List, requeue or drop dead letters: items that were removed from the queue
because their last attempt failed (see zkr queue work --attempts) or because
they are corrupt.`,
		newQueueDeadLs(a),
		newQueueDeadVerb(a, "requeue", "Put dead letters back into the queue",
			`Put the dead letters with these IDs, or all if no ID is given, back into the
queue, at the end of their priority. Their attempts are counted from the start
again. Print the IDs.`,
			(*queue.Queue[[]byte]).Requeue),
		newQueueDeadVerb(a, "drop", "Remove dead letters",
			`Permanently remove the dead letters with these IDs, or all if no ID is given.
Print the IDs.`,
			(*queue.Queue[[]byte]).Drop))
}

func newQueueDeadLs(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ls PATH",
		Short: "Print the dead letters",
		Long: `Print a line for each dead letter: its id, its attempts, the time at which it
became one, its value, and the reason.
`,
	}
	return a.reading(cmd, (*app).withListing, recipeQueue, func(ctx context.Context, c *client, path string) error {
		for l, err := range c.queue(path, queue.Native).DeadLetters(ctx) {
			if err == nil {
				err = a.printDeadLetter(l)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (a *app) printDeadLetter(l queue.DeadLetter) error {
	since := l.Since.Format(time.RFC3339)
	return a.print(fmt.Sprintf("%s %d %s %s %s", l.ID, l.Attempts, since, oneLine(l.Data), oneLine([]byte(l.Reason))), struct {
		ID       string `json:"id"`
		Attempts int    `json:"attempts"`
		Since    string `json:"since"`
		Reason   string `json:"reason"`
		payload
	}{l.ID, l.Attempts, since, l.Reason, newPayload(l.Data)})
}

// newQueueDeadVerb returns a command that calls do for dead letters and prints their ids.
func newQueueDeadVerb(a *app, verb, short, long string, do func(*queue.Queue[[]byte], context.Context, string) error) *cobra.Command {
	cmd := &cobra.Command{
		Use:   verb + " PATH [ID...]",
		Short: short,
		Long: long + `

Exit codes: 0, 1 if there is no such dead letter or PATH has the nodes of
another recipe, 2 for bad usage, 3 if no server can be reached or the session is
lost, 4 if not authorized, 5 if the output cannot be written.`,
		Args: func(cmd *cobra.Command, args []string) error { return onePath(cmd, args[:min(1, len(args))]) },
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		change := func(ctx context.Context, c *client) error {
			q := c.queue(args[0], queue.Native)
			ids := args[1:]
			if len(ids) == 0 {
				for l, err := range q.DeadLetters(ctx) {
					if err != nil {
						return err
					}
					ids = append(ids, l.ID)
				}
			}
			var failed error
			shown := a.newProgress(verb, int64(len(ids)), 0)
			defer shown.Close()
			for _, id := range ids {
				err := do(q, ctx, id)
				shown.Add(1)
				if err == nil {
					err = a.printID(id)
				}
				if err != nil {
					failed = errors.Join(failed, err)
				}
				if ctx.Err() != nil || a.stdout.failure() != nil {
					break // do not change letters that cannot be reported
				}
			}
			return failed
		}
		return a.withSyncedSession(new(pathCheck).then(change, args[0], recipeQueue))
	}
	return cmd
}
