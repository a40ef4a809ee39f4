package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/proc"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
)

func newTaskWork(a *app) *cobra.Command {
	w := &taskWorker{app: a}
	var f tryFlags
	var address string
	var concurrency int
	var retryAfter time.Duration
	cmd := &cobra.Command{
		Use:   "work --id ID [flags] PATH -- CMD [ARG...]",
		Short: "Run a command for each task",
		Long: `Be the worker ID of the pool at PATH, and run CMD for each task that the master assigns
to it, with the task on stdin. If CMD exits with 0, the task is done, and what CMD has
said on stdout is the result; if processes that CMD leaves behind keep its stdout open for
longer than --grace, that is a failure. If CMD exits with anything else, the attempt has
failed, with the exit code and the last line of stderr for a message. It is tried again
after a pause, until it has been tried --attempts times. When a worker dies, its tasks go
to others.

CMD is run as that of zkr lock is. Its environment has ZKR_PATH, ZKR_TASK (the id),
ZKR_ATTEMPT (1 for the first), ZKR_TOKEN (a number that grows from attempt to attempt:
store it with what CMD writes, and refuse smaller ones) and ZKR_SESSION. If the claim of
the task is lost, CMD gets TERM and, after --grace, KILL. Signals go to the commands that
run; after INT and TERM they have --grace to end, and then so does zkr. Whatever exits with
0 even then is done; all else is tried again by others, and that attempt does not count.

If there is a worker ID already, wait until it has gone.

Exit codes: 0 when told to end by INT or TERM, 128+N for other signals, 125 if zkr
failed (no session, missing rights, bad usage), 126 if CMD cannot be executed, 127 if it
is not found.`,
		Example:     `  zkr task work --id w1 --concurrency 4 /tasks -- resize`,
		Annotations: map[string]string{wraps: ""},
	}
	f.register(cmd)
	fs := cmd.Flags()
	fs.StringVar(&w.id, "id", "", "`name` of the worker")
	fs.StringVar(&address, "addr", "", "`text` for the others to see (default host:pid)")
	fs.IntVar(&concurrency, "concurrency", 1, "carry out up to `N` tasks at a time")
	fs.DurationVar(&retryAfter, "retry-after", time.Second, "pause after the first failed attempt; it doubles with each further one, up to a minute")
	fs.DurationVar(&w.grace, "grace", defaultGrace, "time for CMD to end before it is killed")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var err error
		if w.path, w.command, err = pathAndCommand(cmd, args); err == nil {
			err = f.check()
		}
		switch {
		case err != nil:
			return err
		case w.id == "":
			return usage("--id is missing")
		case w.command == nil:
			return usage("a command is missing; it comes after --")
		case concurrency <= 0:
			return usage("--concurrency %d", concurrency)
		case retryAfter < 0:
			return usage("--retry-after %v is negative", retryAfter)
		case w.grace < 0:
			return usage("--grace %v is negative", w.grace)
		}
		if err := checkPool(w.path); err != nil {
			return err
		}
		w.opts = []tasks.Option{tasks.WithMaxAttempts(f.attempts), tasks.WithConcurrency(concurrency)}
		if address != "" {
			w.opts = append(w.opts, tasks.WithAddress(address))
		}
		if fs.Changed("retry-after") {
			w.opts = append(w.opts, tasks.WithRetryAfter(doublingDelay(retryAfter)))
		}
		return w.run()
	}
	return cmd
}

// doublingDelay are pauses that grow from the first to a minute.
func doublingDelay(first time.Duration) func(attempt int) time.Duration {
	return func(attempt int) time.Duration {
		d := first
		for range attempt - 1 {
			if d >= time.Minute {
				break
			}
			d = min(2*d, time.Minute)
		}
		return d
	}
}

// taskWorker runs a command for each task.
type taskWorker struct {
	*app
	id, path string
	command  *proc.Command
	grace    time.Duration
	opts     []tasks.Option

	sig     *proc.Signals
	session *session.Session
	stop    context.CancelCauseFunc

	mu     sync.Mutex
	killed int // the exit code of a command that was killed by a signal to zkr
}

// run works until a signal comes.
func (w *taskWorker) run() error {
	w.sig = w.watchSignals()
	defer w.sig.Close()
	var err error
	if w.session, err = w.connect(w.sig.WaitContext()); err != nil {
		return signalOr(w.sig, err)
	}
	defer w.closeSession(w.sig.ReleaseContext(), w.session)
	if w.grace, err = stopTime(w.session, w.grace); err != nil {
		return err
	}
	var ctx context.Context
	ctx, w.stop = context.WithCancelCause(w.sig.WaitContext())
	defer w.stop(nil)
	err = (&client{w.app, w.session, w.sig}).pool(w.path, append(w.opts, tasks.WithStopTime(w.grace))...).Work(ctx, w.id, w.attempt)
	var with *exitError
	switch {
	case errors.As(err, &with): // it cannot be run
		return with
	case w.sig.WaitContext().Err() == nil:
		return err
	case w.killed != 0:
		return exit(w.killed, nil)
	}
	return afterSignal(w.sig)
}

// attempt runs the command for a task.
func (w *taskWorker) attempt(ctx context.Context, t tasks.Task[[]byte]) ([]byte, error) {
	c, err := w.sig.StartCaptured(w.command, proc.Spec{Env: w.environment(t), Deadline: t.Deadline, Notice: w.notice}, t.Input, w.session.MaxPayload(), w.stderr)
	if err != nil {
		err = startError(w.command, err)
		w.stop(err) // no other task would fare better
		return nil, err
	}
	select {
	case <-c.Done():
	case <-ctx.Done():
		w.end(ctx, t, c)
	}
	if w.sig.Detach(c.Child) && !proc.IsTermination(c.KilledBy()) {
		w.mu.Lock()
		w.killed = c.ExitCode()
		w.mu.Unlock()
	}
	complete := c.Finish(w.grace)
	result, truncated := c.Stdout()
	switch {
	case c.ExitCode() != 0:
		err = attemptError(c)
	case !complete:
		err = fmt.Errorf("stdout is still open %v after the end of %s", w.grace, w.command.Name())
	case truncated:
		err = tasks.Permanent(fmt.Errorf("the result has more than %d bytes", w.session.MaxPayload()))
	}
	if err != nil {
		if ctx.Err() == nil {
			w.notice("%s: attempt %d: %v", t.ID, t.Attempt, err)
		}
		return nil, err
	}
	return result, nil
}

// end ends a command whose attempt is over.
func (w *taskWorker) end(ctx context.Context, t tasks.Task[[]byte], c *proc.CapturedChild) {
	switch {
	case errors.Is(context.Cause(ctx), tasks.ErrLost):
		w.notice("%s: the claim is lost, stopping %s", t.ID, w.command.Name())
	case w.sig.WaitContext().Err() != nil: // it has had the signal
		select {
		case <-c.Done():
		case <-time.After(w.grace):
			c.Stop(0)
		}
		return
	}
	c.Stop(w.grace)
}

// attemptError returns the failure of an attempt whose command has failed: how it
// ended, and its last line on stderr.
func attemptError(c *proc.CapturedChild) error {
	text := fmt.Sprintf("exit status %d", c.ExitCode())
	if sig := c.KilledBy(); sig != 0 {
		text = "signal: " + sig.String()
	}
	if line := c.LastLine(); line != "" {
		text += ": " + line
	}
	return errors.New(text)
}

// environment tells the child what it works on.
func (w *taskWorker) environment(t tasks.Task[[]byte]) []string {
	return append(os.Environ(),
		"ZKR_STOP_TIME="+w.grace.String(),
		"ZKR_PATH="+w.path,
		"ZKR_TASK="+t.ID,
		"ZKR_ATTEMPT="+strconv.Itoa(t.Attempt),
		"ZKR_TOKEN="+strconv.FormatInt(int64(t.Token), 10),
		"ZKR_SESSION="+hex(w.session.Status().ID))
}
