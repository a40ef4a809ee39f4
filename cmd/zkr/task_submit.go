package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func newTaskSubmit(a *app) *cobra.Command {
	var wait bool
	cmd := &cobra.Command{
		Use:   "submit [flags] PATH [VALUE]",
		Short: "Submit a task",
		Long: `Submit VALUE as a task, or stdin if there is no VALUE or it is "-", and print
the id of the task. It is submitted exactly once, also across lost connections.
Neither a master nor workers are needed for that.

With --wait, wait until the task is finished and print its result instead; the
id is printed on stderr. A signal ends the wait, and the task continues.

Exit codes: 0, 1 if the task has failed (--wait), 2 for bad usage, 3 if no
server can be reached or the session is lost, 4 if not authorized, 5 if the
output cannot be written, 128+N if signal N came first.`,
		Example: `  zkr task submit /tasks resize:17
  zkr task submit --wait /tasks - < job.json`,
		Args: inPool("PATH", "[VALUE]"),
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "wait for the result and print it")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		values := args[1:]
		if len(values) > 0 && values[0] == "-" {
			values = nil
		}
		value, err := a.valueOrStdin(values)
		if err != nil {
			return exit(exitUsage, err)
		}
		return a.withSession(func(ctx context.Context, c *client) error {
			pool := c.pool(args[0])
			if n, maxSize := len(value), pool.MaxSize(); n > maxSize {
				return exit(exitUsage, fmt.Errorf("the task has %d bytes; the limit is %d", n, maxSize))
			}
			k, err := pool.Submit(ctx, value)
			if err != nil {
				return err
			}
			if wait {
				c.notice("%s is submitted", k.ID())
				return c.printResult(ctx, args[0], k)
			}
			return c.printID(k.ID())
		})
	}
	return cmd
}
