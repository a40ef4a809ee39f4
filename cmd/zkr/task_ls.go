package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/tasks"
)

func newTaskLs(a *app) *cobra.Command {
	var at pathCheck
	cmd := &cobra.Command{
		Use:   "ls PATH",
		Short: "Print the tasks and their states",
		Long: `Print a line for each task, in the order of submission: its id, its state
(pending, assigned, running, done or failed), its worker or "-", and the
message of its failure or of its last attempt.

Exit codes: 0, 1 if PATH has the nodes of another recipe, 2 for bad usage, 3 if
no server can be reached, 4 if not authorised, 5 if the output cannot be
written.`,
		Args: onePath,
	}
	at.register(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if err := checkPool(args[0]); err != nil {
			return err
		}
		return at.read(a, args[0], []recipe{recipeTaskPool}, func(ctx context.Context, c *client) error {
			list, err := c.pool(args[0]).List(ctx)
			if err != nil {
				return err
			}
			for _, in := range list {
				if err := a.printTask(in); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return cmd
}

func (a *app) printTask(in tasks.Info) error {
	worker := in.Worker
	if worker == "" {
		worker = "-"
	}
	line := fmt.Sprintf("%s %s %s %s", in.ID, in.State, oneLine([]byte(worker)), oneLine([]byte(in.Message)))
	return a.print(strings.TrimSuffix(line, " "), struct {
		ID       string `json:"id"`
		State    string `json:"state"`
		Worker   string `json:"worker,omitempty"`
		Attempts int    `json:"attempts"`
		Message  string `json:"message,omitempty"`
	}{in.ID, in.State.String(), in.Worker, in.Attempts, in.Message})
}
