package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/tasks"
)

func newTaskWait(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wait PATH ID",
		Short: "Wait until a task is finished and print its result",
		Long: `Wait until the task ID is finished and print its result.

Exit codes: 0, 1 if the task has failed or does not exist, 2 for bad usage, 3
if no server can be reached, 4 if not authorized, 5 if the output cannot be
written, 128+N if signal N came first.`,
		Example: `  zkr task wait /tasks task-0000000017`,
		Args:    inPool("PATH", "ID"),
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return a.withSyncedSession(func(ctx context.Context, c *client) error {
			return c.printResult(ctx, args[0], c.pool(args[0]).Ticket(args[1]))
		})
	}
	return cmd
}

// taskResult describes a finished task.
type taskResult struct {
	ID    string `json:"id"`
	State string `json:"state"`
	payload
	Message string `json:"message,omitempty"`
}

// printResult waits until a task of the pool at path is finished and prints its result.
func (c *client) printResult(ctx context.Context, path string, k *tasks.Ticket[[]byte]) error {
	stop := c.explain(ctx, waitExplanation{what: k.ID() + " of " + path, read: func(ctx context.Context) (waitReason, error) { return c.masterAndWorkers(ctx, path) }})
	result, err := k.Wait(ctx)
	stop()
	var failed *tasks.TaskError
	switch {
	case errors.As(err, &failed):
		if c.json {
			if err := c.print("", taskResult{ID: k.ID(), State: tasks.Failed.String(), Message: failed.Message}); err != nil {
				return err
			}
		}
		return exit(exitNo, fmt.Errorf("%s has failed: %s", k.ID(), failed.Message))
	case errors.Is(err, tasks.ErrNoTask):
		return exit(exitNo, err)
	case err != nil:
		return err
	}
	return c.printData(result, taskResult{ID: k.ID(), State: tasks.Done.String(), payload: newPayload(result)})
}
