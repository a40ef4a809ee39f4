package main

import (
	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
)

func newTask(a *app) *cobra.Command {
	return group("task", "Have workers carry out tasks that a master assigns",
		`Have workers carry out tasks: clients submit them, one master among several candidates
assigns each to a live worker, and to another when that one dies. The nodes are those
of the ZooKeeper book, so that any part can be played in zkCli.sh.`,
		newTaskMaster(a), newTaskWork(a), newTaskSubmit(a), newTaskWait(a), newTaskLs(a))
}

// pool is a pool of tasks. They are bytes, and mean nothing to zkr.
type pool = tasks.Pool[[]byte, []byte]

func (c *client) pool(path string, opts ...tasks.Option) *pool {
	return tasks.New(c.Session, path, codec.Bytes(), codec.Bytes(), opts...)
}

func checkPool(path string) error {
	if err := session.CheckPath(path); err != nil {
		return usage("PATH %q: %v", path, err)
	}
	return nil
}

// attemptFlags are those on which masters and workers have to agree.
type attemptFlags struct{ attempts int }

func (f *attemptFlags) register(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.attempts, "attempts", 3, "try a task up to `N` times; the same for all masters and workers")
}

func (f *attemptFlags) check() error {
	if f.attempts <= 0 {
		return usage("--attempts %d", f.attempts)
	}
	return nil
}
