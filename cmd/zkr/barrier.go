package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/barrier"
)

func newBarrier(a *app) *cobra.Command {
	return group("barrier", "Hold processes up until all may go on",
		`Hold processes up until all may go on: until somebody lowers the barrier (raise, lower,
wait), or until as many have come as there are to be (enter).`,
		newBarrierRaise(a), newBarrierLower(a), newBarrierWait(a), newBarrierEnter(a))
}

const barrierCodes = `
Exit codes: 0, 2 for bad usage, 3 if no server can be reached or the session is lost, 4
if not authorised, 128+N if signal N came first.`

func newBarrierRaise(a *app) *cobra.Command {
	return newBarrierVerb(a, "raise", "Put a barrier up", `Put the barrier at PATH up, if it is not. It stays up until somebody lowers it.
`, true, (*barrier.Barrier).Raise)
}

func newBarrierLower(a *app) *cobra.Command {
	return newBarrierVerb(a, "lower", "Take a barrier down", `Take the barrier at PATH down, if it is up, so that all go on who wait.
`, false, (*barrier.Barrier).Lower)
}

func newBarrierWait(a *app) *cobra.Command {
	return newBarrierVerb(a, "wait", "Wait until a barrier is down", `Wait until the barrier at PATH is down. If it is not up, that is at once.
`, false, (*barrier.Barrier).Wait)
}

// newBarrierVerb makes a command that does one thing, after which the barrier is
// up or not.
func newBarrierVerb(a *app, verb, short, long string, raised bool, do func(*barrier.Barrier, context.Context) error) *cobra.Command {
	cmd := &cobra.Command{Use: verb + " PATH", Short: short, Long: long + barrierCodes, Args: onePath}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		return a.withSession(func(ctx context.Context, c *client) error {
			if err := do(barrier.New(c.Session, args[0]), ctx); err != nil || !a.json {
				return err
			}
			return a.print("", struct {
				Path   string `json:"path"`
				Raised bool   `json:"raised"`
			}{args[0], raised})
		})
	}
	return cmd
}
