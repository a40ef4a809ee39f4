package main

import (
	"cmp"
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/tasks"
)

func newTaskMaster(a *app) *cobra.Command {
	var f attemptFlags
	var address, strategy string
	var keep int
	var keepFor time.Duration
	cmd := &cobra.Command{
		Use:   "master [flags] PATH",
		Short: "Assign tasks to workers",
		Long: `Be a candidate for the master of the pool at PATH until INT or TERM. The master
assigns tasks to live workers, reassigns those of workers that have died, and
removes finished tasks that are too many or too old.

zkr elect --observe --fixed PATH/master prints the current master.

Exit codes: 0, 128+N after signals other than INT and TERM, 2 for bad usage, 3
if no server can be reached, 4 if not authorized, 5 if the output cannot be
written.`,
		Example: `  zkr task master /tasks
  zkr task master --strategy sticky --keep 1000 --keep-for 1h /tasks`,
		Args: inPool("PATH"),
	}
	f.register(cmd)
	fs := cmd.Flags()
	fs.StringVar(&address, "addr", "", "`text` that others see (default host:pid)")
	fs.StringVar(&strategy, "strategy", "least-loaded", "which worker gets a task: the least-loaded one, each in turn (`round-robin`), or the same one for the same data (sticky)")
	fs.IntVar(&keep, "keep", 10_000, "keep up to `N` finished tasks")
	fs.DurationVar(&keepFor, "keep-for", 24*time.Hour, "keep finished tasks this long")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		poolOpts := []tasks.Option{tasks.WithMaxAttempts(f.attempts)}
		opts := []tasks.MasterOption{tasks.WithRetention(keep, keepFor)}
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
			poolOpts = append(poolOpts, tasks.WithAddress(address))
		}
		if err := cmp.Or(f.check(), notNegative("--keep", keep), notNegative("--keep-for", keepFor)); err != nil {
			return err
		}
		return a.untilSignal(func(ctx context.Context, c *client) error { return c.pool(args[0], poolOpts...).Master(ctx, opts...) })
	}
	return cmd
}
