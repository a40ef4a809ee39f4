package main

import (
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/proc"
	"github.com/zkrecipes/zkrecipes/session"
)

// runWrapping connects and calls f with the session and with the grace that it
// allows. Connecting ends with the first signal.
func (a *app) runWrapping(grace time.Duration, f func(sig *proc.Signals, s *session.Session, grace time.Duration) error) error {
	sig := a.watchSignals()
	defer sig.Close()
	s, err := a.connect(sig.WaitContext())
	if err != nil {
		return signalOr(sig, err)
	}
	defer a.closeSession(sig.ReleaseContext(), s)
	if grace, err = stopTime(s, grace); err != nil {
		return err
	}
	return f(sig, s, grace)
}

// childEnvironment returns the environment of a command that may run for path.
func childEnvironment(path string, grace time.Duration, vars ...string) []string {
	return append(append(os.Environ(), "ZKR_STOP_TIME="+grace.String(), "ZKR_PATH="+path), vars...)
}

// commandWorker is the part that queue work and task work share: it runs a command
// for each item of a queue or task of a pool.
type commandWorker struct {
	path    string
	command *proc.Command
	grace   time.Duration

	sig     *proc.Signals    // set by run
	session *session.Session // set by run

	mu     sync.Mutex
	killed int // the exit code of a command that a signal to zkr has killed, or 0
}

// run connects and calls work.
func (w *commandWorker) run(a *app, work func() error) error {
	return a.runWrapping(w.grace, func(sig *proc.Signals, s *session.Session, grace time.Duration) error {
		w.sig, w.session, w.grace = sig, s, grace
		return work()
	})
}

// detach stops relaying signals to a command that has ended.
func (w *commandWorker) detach(c *proc.Child) {
	if w.sig.Detach(c) && !proc.IsTermination(c.KilledBy()) {
		w.mu.Lock()
		w.killed = c.ExitCode()
		w.mu.Unlock()
	}
}

// result returns the exit of a worker: err if it has ended without a signal, and
// otherwise that of the signal.
func (w *commandWorker) result(err error) error {
	switch {
	case w.sig.WaitContext().Err() == nil:
		return err
	case w.killed != 0:
		return exit(w.killed, nil)
	}
	return afterSignal(w.sig)
}

// environment returns the environment of the command for one attempt.
func (w *commandWorker) environment(attempt int, vars ...string) []string {
	return childEnvironment(w.path, w.grace, append(vars, "ZKR_ATTEMPT="+strconv.Itoa(attempt))...)
}
