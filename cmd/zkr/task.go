package main

import (
	"context"
	"fmt"
	"strings"
	"time"

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

// tryFlags are those on which masters and workers have to agree.
type tryFlags struct{ attempts int }

func (f *tryFlags) register(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.attempts, "attempts", 3, "try a task up to `N` times; the same for all masters and workers")
}

func (f *tryFlags) check() error {
	if f.attempts <= 0 {
		return usage("--attempts %d", f.attempts)
	}
	return nil
}

func newTaskMaster(a *app) *cobra.Command {
	var f tryFlags
	var address, strategy string
	var keep int
	var keepFor time.Duration
	cmd := &cobra.Command{
		Use:   "master [flags] PATH",
		Short: "Assign tasks to workers",
		Long: `Be a candidate for the master of the pool at PATH, and the master when the one before
has gone, until INT or TERM. The master assigns tasks to live workers, takes back those
of workers that have died, and removes finished ones that are too many or too old.

Who is the master is told by zkr elect --observe --fixed PATH/master.

Exit codes: 0, 128+N for signals other than INT and TERM, 2 for bad usage, 3 if no
server can be reached, 4 if not authorised, 5 if the output cannot be written.`,
		Example: `  zkr task master /tasks
  zkr task master --strategy sticky --keep 1000 --keep-for 1h /tasks`,
		Args: onlyPath,
	}
	f.register(cmd)
	fs := cmd.Flags()
	fs.StringVar(&address, "addr", "", "`text` for the others to see (default host:pid)")
	fs.StringVar(&strategy, "strategy", "least-loaded", "who gets a task: the least-loaded worker, each in turn (`round-robin`), or the same for the same data (sticky)")
	fs.IntVar(&keep, "keep", 10_000, "leave up to `N` finished tasks")
	fs.DurationVar(&keepFor, "keep-for", 24*time.Hour, "leave finished tasks this long")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		opts := []tasks.Option{tasks.WithMaxAttempts(f.attempts), tasks.WithRetention(keep, keepFor)}
		switch strategy {
		case "least-loaded":
		case "round-robin":
			opts = append(opts, tasks.WithStrategy(tasks.RoundRobin()))
		case "sticky":
			opts = append(opts, tasks.WithStrategy(tasks.Sticky(func(data []byte) string { return string(data) })))
		default:
			return usage("--strategy %s is none of least-loaded, round-robin and sticky", strategy)
		}
		if address != "" {
			opts = append(opts, tasks.WithAddress(address))
		}
		switch err := f.check(); {
		case err != nil:
			return err
		case keep < 0:
			return usage("--keep %d is negative", keep)
		case keepFor < 0:
			return usage("--keep-for %v is negative", keepFor)
		}
		if err := checkPool(args[0]); err != nil {
			return err
		}
		return a.follow(func(ctx context.Context, c *client) error { return c.pool(args[0], opts...).Master(ctx) })
	}
	return cmd
}

func newTaskLs(a *app) *cobra.Command {
	var at subject
	cmd := &cobra.Command{
		Use:   "ls PATH",
		Short: "Print the tasks and what has become of them",
		Long: `Print a line for each task, in the order in which they were submitted: its id, its
state (pending, assigned, running, done or failed), the worker that has it or "-", and
why it has failed, or what came of its last attempt.

Exit codes: 0, 1 if PATH has the nodes of another recipe, 2 for bad usage, 3 if no
server can be reached, 4 if not authorised, 5 if the output cannot be written.`,
		Args: onlyPath,
	}
	at.register(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if err := checkPool(args[0]); err != nil {
			return err
		}
		return at.read(a, args[0], []recipe{aTaskPool}, func(ctx context.Context, c *client) error {
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
	line := fmt.Sprintf("%s %s %s %s", in.ID, in.State, inLine([]byte(worker)), inLine([]byte(in.Message)))
	return a.print(strings.TrimSuffix(line, " "), struct {
		ID       string `json:"id"`
		State    string `json:"state"`
		Worker   string `json:"worker,omitempty"`
		Attempts int    `json:"attempts"`
		Message  string `json:"message,omitempty"`
	}{in.ID, in.State.String(), in.Worker, in.Attempts, in.Message})
}
