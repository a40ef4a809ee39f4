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
		Long: `Submit VALUE, or what stdin holds if there is none or it is "-", as a task, and print
its id. It is submitted once, whatever becomes of the connection, and whether or not
there are a master and workers.

With --wait, wait until the task is finished and print its result instead; the id is
told on stderr. A signal ends the waiting, and not the task.

Exit codes: 0, 1 if the task has failed (--wait), 2 for bad usage, 3 if no server can
be reached or the session is lost, 4 if not authorised, 5 if the output cannot be
written, 128+N if signal N came first.`,
		Example: `  zkr task submit /tasks resize:17
  zkr task submit --wait /tasks - < job.json`,
	}
	cmd.Flags().BoolVar(&wait, "wait", false, "print the result")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		switch len(args) {
		case 0:
			return usage("PATH is missing")
		case 1, 2:
		default:
			return usage("unexpected argument %q", args[2])
		}
		if err := checkPool(args[0]); err != nil {
			return err
		}
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
			if n, most := len(value), pool.MaxSize(); n > most {
				return exit(exitUsage, fmt.Errorf("a task of %d bytes, which is over the limit of %d", n, most))
			}
			k, err := pool.Submit(ctx, value)
			if err != nil {
				return err
			}
			if wait {
				c.notice("%s is submitted", k.ID())
				return c.printResult(ctx, k)
			}
			return c.print(k.ID(), struct {
				ID string `json:"id"`
			}{k.ID()})
		})
	}
	return cmd
}
