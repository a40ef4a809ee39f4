package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/tasks"
)

func newTaskLs(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ls PATH",
		Short: "Print the tasks and their states",
		Long: `Print a line for each task, in the order of submission: its id, its state
(pending, assigned, running, done or failed), its worker or "-", and the
message of its failure or of its last attempt.
`,
	}
	a.reading(cmd, (*app).withListing, recipeTaskPool, func(ctx context.Context, c *client, path string) error {
		list, err := c.pool(path).List(ctx)
		if err != nil {
			return err
		}
		return printEach(list, a.printTask)
	})
	cmd.Args = inPool("PATH")
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
