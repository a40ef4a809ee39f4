package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/session"
)

func newBarrierEnter(a *app) *cobra.Command {
	var n int
	var grace graceFlag
	cmd := &cobra.Command{
		Use:   "enter -n N [flags] PATH [-- CMD ARG...]",
		Short: "Wait for N processes, run a command, leave together",
		Long: `Wait until N processes have entered the barrier at PATH, run CMD, wait until
all of them have left, and exit with the code of CMD. A process that dies or
gives up while it waits does not count.

CMD is run as by zkr lock. ZKR_TOKEN is the same for all members of a round,
and grows from round to round. Without CMD, print that number and leave.

Exit codes: that of CMD, 128+N if signal N ended CMD or a wait, 5 if the number
cannot be written, 123 if the session was lost, 124 if the barrier is
full, 125 if zkr failed (no session, missing rights, bad usage), 126 if CMD
cannot be executed, 127 if it is not found.`,
		Example: `  zkr barrier enter -n 3 /start -- simulate     start and end together
  zkr barrier enter -n 3 /start && simulate     only start together`,
		Annotations: map[string]string{wrapsAnnotation: ""},
	}
	fs := cmd.Flags()
	fs.IntVarP(&n, "number", "n", 0, "number of processes that must enter, `N`")
	grace.register(cmd, " if the session is lost")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, command, err := pathAndCommand(cmd, args)
		if err == nil && !fs.Changed("number") {
			err = usage("-n is missing")
		}
		if err := cmp.Or(err, positive("-n", n), grace.check()); err != nil {
			return err
		}
		r := &holdRunner{app: a, path: path, command: command, grace: grace.duration, once: true}
		err = r.run(func(ctx context.Context, s *session.Session) (ownership, error) {
			stop := a.explain(ctx, waitExplanation{what: path, read: func(ctx context.Context) (waitReason, error) { return entered(ctx, s, path, n) }})
			e, err := barrier.NewDouble(s, path, n, barrier.WithStopTime(r.grace)).Enter(ctx)
			stop()
			switch {
			case errors.Is(err, barrier.ErrFull):
				return nil, exitNotice(exitNotAcquired, atPath(path, err))
			case errors.Is(err, barrier.ErrLost):
				return nil, exit(exitLost, atPath(path, err))
			case err != nil:
				return nil, err
			}
			return entry{e, ctx}, nil
		})
		if err == nil {
			err = signalOr(r.sig, nil) // a signal has ended the wait for the others
		}
		return err
	}
	return cmd
}

// entry is the ownership of a member of a round.
type entry struct {
	*barrier.Entry
	waiting context.Context
}

func (e entry) Token() session.Zxid { return e.Round() }

// Release leaves. It waits for the other members until a signal comes.
func (e entry) Release(context.Context) error {
	err := e.Leave(e.waiting)
	if e.waiting.Err() != nil && !isLost(err) {
		return nil
	}
	return err
}

// entered returns the reason that not all n processes have entered the barrier at path.
func entered(ctx context.Context, s *session.Session, path string, n int) (waitReason, error) {
	names, _, err := s.Children(ctx, path)
	if err != nil {
		return waitReason{}, err
	}
	const ready = "ready" // exists during a round
	if slices.Contains(names, ready) {
		return waitReason{key: ready, text: "; the last round has not ended"}, nil
	}
	text := fmt.Sprintf("; %d of %d have entered", len(names), n)
	return waitReason{key: text, text: text}, nil
}
