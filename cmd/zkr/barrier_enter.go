package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/session"
)

func newBarrierEnter(a *app) *cobra.Command {
	var n int
	var grace time.Duration
	cmd := &cobra.Command{
		Use:   "enter -n N [flags] PATH [-- CMD ARG...]",
		Short: "Wait for N, run a command, leave together",
		Long: `Wait until N have entered the barrier at PATH, run CMD, wait until the commands of all
have ended, and exit with the code of CMD. Whoever dies or gives up while waiting does
not count.

CMD runs as that of zkr lock does; ZKR_TOKEN is the same for all who have entered
together, and grows from round to round. Without CMD, print that number, and leave.

Exit codes: CMD's own, 128+N if signal N ended CMD or a wait, 5 if the number cannot be
written, 123 if the session was lost in between, 124 if N are there already, 125 if zkr
failed (no session, missing rights, bad usage), 126 if CMD cannot be executed, 127 if it
is not found.`,
		Example: `  zkr barrier enter -n 3 /start -- simulate     three begin together
  zkr barrier enter -n 3 /start && simulate     and do not wait for each other's end`,
		Annotations: map[string]string{wrapsAnnotation: ""},
	}
	fs := cmd.Flags()
	fs.IntVarP(&n, "number", "n", 0, "how many are to enter, `N`")
	fs.DurationVar(&grace, "grace", defaultGrace, "time for CMD between TERM and KILL when the session is lost")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, command, err := pathAndCommand(cmd, args)
		switch {
		case err != nil:
			return err
		case !fs.Changed("number"):
			return usage("-n is missing")
		case n <= 0:
			return usage("-n %d: somebody has to enter", n)
		case grace < 0:
			return usage("--grace %v is negative", grace)
		}
		o := &holdRunner{app: a, path: path, command: command, grace: grace, once: true}
		err = o.run(func(ctx context.Context, s *session.Session) (ownership, error) {
			e, err := barrier.NewDouble(s, path, n, barrier.WithStopTime(o.grace)).Enter(ctx)
			switch {
			case errors.Is(err, barrier.ErrFull):
				a.notice("%s: %v", path, err)
				return nil, exit(exitNotAcquired, nil)
			case errors.Is(err, barrier.ErrLost):
				return nil, exit(exitLost, err)
			case err != nil:
				return nil, err
			}
			return entry{e, ctx}, nil
		})
		if err == nil {
			err = signalOr(o.sig, nil) // it did not wait for the others
		}
		return err
	}
	return cmd
}

// entry is membership of a barrier's round.
type entry struct {
	*barrier.Entry
	waiting context.Context
}

func (e entry) Token() session.Zxid { return e.Round() }

// release leaves, and waits for the others for as long as no signal comes.
func (e entry) release(context.Context) error {
	err := e.Leave(e.waiting)
	if e.waiting.Err() != nil && !isLost(err) {
		return nil
	}
	return err
}
