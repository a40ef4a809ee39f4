package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/barrier"
)

func newBarrier(a *app) *cobra.Command {
	return group("barrier", "Block processes until all may continue",
		`Block processes until all may continue: until the barrier is lowered (raise,
lower, wait), or until a given number of processes have entered it (enter).`,
		newBarrierRaise(a), newBarrierLower(a), newBarrierWait(a), newBarrierEnter(a))
}

const barrierCodes = `
Exit codes: 0, 2 for bad usage, 3 if no server can be reached or the session is
lost, 4 if not authorized, 128+N if signal N came first.`

func newBarrierRaise(a *app) *cobra.Command {
	return newBarrierVerb(a, "raise", "Raise a barrier", `Raise the barrier at PATH if it is not raised. It stays raised until it is
lowered.
`, true, func(ctx context.Context, c *client, path string) error {
		return barrier.New(c.Session, path).Raise(ctx)
	})
}

func newBarrierLower(a *app) *cobra.Command {
	return newBarrierVerb(a, "lower", "Lower a barrier", `Lower the barrier at PATH if it is raised. All waiters continue.
`, false, func(ctx context.Context, c *client, path string) error {
		return barrier.New(c.Session, path).Lower(ctx)
	})
}

func newBarrierWait(a *app) *cobra.Command {
	wait := func(ctx context.Context, c *client, path string) error {
		stop := a.explain(ctx, waitExplanation{what: path, read: func(ctx context.Context) (waitReason, error) {
			return nodeAge(ctx, c.Session, path, ", raised for ")
		}})
		defer stop()
		return barrier.New(c.Session, path).Wait(ctx)
	}
	return newBarrierVerb(a, "wait", "Wait until a barrier is lowered", `Wait until the barrier at PATH is lowered. If it is not raised, do not wait.
`, false, wait)
}

// newBarrierVerb returns a command that calls do, after which the barrier is raised or
// not.
func newBarrierVerb(a *app, verb, short, long string, raised bool, do func(ctx context.Context, c *client, path string) error) *cobra.Command {
	cmd := &cobra.Command{Use: verb + " PATH", Short: short, Long: long + barrierCodes, Args: onePath}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return a.withSession(func(ctx context.Context, c *client) error {
			if err := do(ctx, c, args[0]); err != nil || !a.json {
				return err
			}
			return a.print("", map[string]any{"path": args[0], "raised": raised})
		})
	}
	return cmd
}
