package main

import (
	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
)

func newTask(a *app) *cobra.Command {
	return group("task", "Run tasks on workers, assigned by a master",
		`Run tasks on workers. Clients submit tasks. A master, elected among candidates,
assigns each task to a live worker, and to another one if that worker dies. The
nodes are those of the ZooKeeper book, so zkCli.sh can act as client, master or
worker.`,
		newTaskMaster(a), newTaskWork(a), newTaskSubmit(a), newTaskWait(a), newTaskLs(a))
}

// pool is a pool of tasks. zkr does not interpret inputs and results.
type pool = tasks.Pool[[]byte, []byte]

func (c *client) pool(path string, opts ...tasks.Option) *pool {
	return tasks.New(c.Session, path, codec.Bytes(), codec.Bytes(), opts...)
}

// inPool is arguments for commands that check PATH, the first one, before they connect.
func inPool(names ...string) cobra.PositionalArgs {
	count := arguments(names...)
	return func(cmd *cobra.Command, args []string) error {
		if err := count(cmd, args); err != nil {
			return err
		}
		return checkPool(args[0])
	}
}

func checkPool(path string) error {
	if err := session.CheckPath(path); err != nil {
		return usage("%w", err)
	}
	return nil
}

// attemptFlags are the flags that masters and workers must agree on.
type attemptFlags struct{ attempts int }

func (f *attemptFlags) register(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.attempts, "attempts", 3, "try a task up to `N` times; must be the same for all masters and workers")
}

func (f *attemptFlags) check() error { return positive("--attempts", f.attempts) }
