package main

import (
	"cmp"
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/session"
)

func newNameSlot(a *app) *cobra.Command {
	var n int
	var grace graceFlag
	cmd := &cobra.Command{
		Use:   "slot -n N [flags] PATH -- CMD [ARG...]",
		Short: "Hold a number below N while a command runs",
		Long: `Wait for a number from 0 to N-1 that is free, hold it while CMD runs, and exit
with the code of CMD. ZKR_SLOT is the number.

CMD is run as by zkr lock.

Exit codes: that of CMD, 128+N if signal N ended CMD or the wait, 123 if the
number was lost, 125 if zkr failed (no session, missing rights, bad usage), 126
if CMD cannot be executed, 127 if it is not found.`,
		Example:     `  zkr name slot -n 1024 /workers -- sh -c 'exec worker --id $ZKR_SLOT'`,
		Annotations: map[string]string{wrapsAnnotation: ""},
	}
	fs := cmd.Flags()
	fs.IntVarP(&n, "number", "n", 0, "how many numbers there are, `N`")
	grace.register(cmd, " if the number is lost")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, command, err := pathAndRequiredCommand(cmd, args)
		if err == nil && !fs.Changed("number") {
			err = usage("-n is missing")
		}
		if err := cmp.Or(err, positive("-n", n), grace.check()); err != nil {
			return err
		}
		r := &holdRunner{app: a, path: path, command: command, grace: grace.duration}
		return r.run(func(ctx context.Context, s *session.Session) (ownership, error) {
			slots := naming.NewSlots(s, path, n, naming.WithStopTime(r.grace))
			stop := a.explain(ctx, waitExplanation{what: "a number of " + path, read: func(ctx context.Context) (waitReason, error) { return slotHolders(ctx, slots) }})
			held, err := slots.Acquire(ctx)
			stop()
			if err != nil {
				return nil, err
			}
			r.vars = []string{"ZKR_SLOT=" + strconv.Itoa(held.Number)}
			return held, nil
		})
	}
	return cmd
}
