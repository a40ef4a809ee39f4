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
	conflictCode int  // the exit code if another client owns

	waitEnd time.Time // when the wait ends
}

func (f *acquireFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.BoolVarP(&f.nonblock, "nonblock", "n", false, "do not wait; --connect-timeout bounds connecting")
	fs.DurationVarP(&f.wait, "wait", "w", 0, "wait this long at most, connecting included")
	f.conflictCode = exitNotAcquired
}

// check validates the flags.
func (f *acquireFlags) check(cmd *cobra.Command) error {
	f.waitSet = cmd.Flags().Changed("wait")
	if f.nonblock && f.waitSet {
		return usage("-n and -w exclude each other")
	}
	return notNegative("-w", f.wait)
}

// startWait starts the time of -w, which includes connecting.
func (f *acquireFlags) startWait(a *app) {
	f.waitEnd = time.Now().Add(f.wait)
	if f.wait > 0 {
		a.connectTimeout = min(a.connectTimeout, f.wait)
	}
}

// errWaitOver is the cause of a wait that has ended because of -w.
var errWaitOver = errors.New("not acquired in time")

// acquire calls try with -n, and blocking otherwise. It exits with the conflict code,
// which means that another client owns, only if a server has answered the attempt and
// still answers when the wait is over.
func (f *acquireFlags) acquire(ctx context.Context, r *holdRunner, s *session.Session, w waitExplanation, blocking, try func(context.Context) (ownership, error)) (ownership, error) {
	repliesBefore := r.replies.Load()
	attemptCtx, cancel := ctx, context.CancelFunc(func() {})
	switch {
	case f.nonblock || f.waitSet && f.wait == 0:
		attemptCtx, cancel = context.WithTimeoutCause(ctx, r.connectTimeout, fmt.Errorf("no answer within %v", r.connectTimeout))
		blocking = try
	case f.waitSet:
		attemptCtx, cancel = context.WithDeadlineCause(ctx, f.waitEnd, fmt.Errorf("%w: waited for %v", errWaitOver, f.wait))
	}
	defer cancel()
	stop := r.explain(attemptCtx, w)
	owned, err := blocking(attemptCtx)
	stop()
	timedOut := errors.Is(err, errWaitOver)
	if timedOut && (r.replies.Load() == repliesBefore || !reachable(ctx, s)) {
		if ctx.Err() == nil {
			r.sig.CancelRelease() // do not wait for the same servers again
		}
		return nil, exit(exitFailed, atPath(r.path, fmt.Errorf("no answer from a server within %v", f.wait)))
	}
	if timedOut {
		return nil, exitNotice(f.conflictCode, atPath(r.path, w.giveUp(ctx, fmt.Errorf("not acquired within %v", f.wait))))
	}
	if errors.Is(err, lock.ErrLocked) || errors.Is(err, election.ErrOtherLeader) {
		if w.anonymous {
			err = w.giveUp(ctx, err)
		}
		return nil, exitNotice(f.conflictCode, atPath(r.path, err))
	}
	return owned, err
}

// reachable reports whether a server answers a request.
func reachable(ctx context.Context, s *session.Session) bool {
	ctx, cancel := context.WithTimeout(ctx, closeGrace)
	defer cancel()
	_, _, err := s.Exists(ctx, "/")
	return err == nil || errors.Is(err, session.ErrNoAuth)
}
