package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/session"
)

// acquireFlags are the flags that say how long to wait for ownership.
type acquireFlags struct {
	nonblock     bool
	wait         time.Duration
	waitSet      bool // -w was given
	conflictCode int  // the exit code if it is owned by somebody else

	waitEnd time.Time // when the wait ends
}

func (l *acquireFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.BoolVarP(&l.nonblock, "nonblock", "n", false, "do not wait; --connect-timeout bounds connecting")
	fs.DurationVarP(&l.wait, "wait", "w", 0, "wait this long at most, connecting included")
	l.conflictCode = exitNotAcquired
}

// check returns an error for flags that make no sense.
func (l *acquireFlags) check(cmd *cobra.Command) error {
	l.waitSet = cmd.Flags().Changed("wait")
	switch {
	case l.nonblock && l.waitSet:
		return usage("-n and -w exclude each other")
	case l.wait < 0:
		return usage("-w %v is negative", l.wait)
	}
	return nil
}

// startWait starts the time of -w, which includes connecting.
func (l *acquireFlags) startWait(a *app) {
	l.waitEnd = time.Now().Add(l.wait)
	if l.wait > 0 {
		a.connectTimeout = min(a.connectTimeout, l.wait)
	}
}

// errWaitOver is the cause of a wait that has ended because of -w.
var errWaitOver = errors.New("not acquired in time")

// acquire calls try with -n, and own otherwise. It exits with the conflict code, for
// "owned by somebody else", only if a server has answered the attempt and still answers
// when the wait is over.
func (l *acquireFlags) acquire(ctx context.Context, o *holdRunner, s *session.Session, own, try func(context.Context) (ownership, error)) (ownership, error) {
	asked := o.replies.Load()
	within, cancel := ctx, context.CancelFunc(func() {})
	switch {
	case l.nonblock || l.waitSet && l.wait == 0:
		within, cancel = context.WithTimeoutCause(ctx, o.connectTimeout, fmt.Errorf("no answer within %v", o.connectTimeout))
		own = try
	case l.waitSet:
		within, cancel = context.WithDeadlineCause(ctx, l.waitEnd, fmt.Errorf("%w: waited for %v", errWaitOver, l.wait))
	}
	defer cancel()
	g, err := own(within)
	late := errors.Is(err, errWaitOver)
	if late && (o.replies.Load() == asked || !reachable(ctx, s)) {
		if ctx.Err() == nil {
			o.sig.CancelRelease() // do not wait for the same servers again
		}
		return nil, exit(exitFailed, fmt.Errorf("%s: no answer from a server within %v", o.path, l.wait))
	}
	if late || errors.Is(err, lock.ErrLocked) || errors.Is(err, election.ErrOtherLeader) {
		o.notice("%s: %v", o.path, err)
		return nil, exit(l.conflictCode, nil)
	}
	return g, err
}

// reachable reports whether a server answers a request.
func reachable(ctx context.Context, s *session.Session) bool {
	ctx, cancel := context.WithTimeout(ctx, closeGrace)
	defer cancel()
	_, _, err := s.Exists(ctx, "/")
	return err == nil || errors.Is(err, session.ErrNoAuth)
}
