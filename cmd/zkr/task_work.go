package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/proc"
	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
	"github.com/zkrecipes/zkrecipes/tasks"
)

func newTaskWork(a *app) *cobra.Command {
	w := &taskWorker{app: a}
	var f attemptFlags
	var grace graceFlag
	var address string
	var concurrency int
	var retryAfter time.Duration
	cmd := &cobra.Command{
		Use:   "work --id ID [flags] PATH -- CMD [ARG...]",
		Short: "Run a command for each task",
		Long: `Join the pool at PATH as worker ID, and run CMD for each task that the master
assigns to this worker, with the task on stdin. If CMD exits with 0, the task
is done, and its result is what CMD has written to stdout. If processes that
CMD leaves behind keep its stdout open for longer than --grace, the attempt has
failed. If CMD exits with another code, the attempt has failed, and its message
is the exit code and the last line of stderr. The task is tried again after a
pause, up to --attempts times. When a worker dies, its tasks are assigned to
other workers.

CMD is run as by zkr lock. Its environment has ZKR_PATH, ZKR_TASK (the id),
ZKR_ATTEMPT (1 for the first), ZKR_TOKEN (a number that grows with each
attempt: store it with what CMD writes, and refuse smaller ones) and
ZKR_SESSION. If the claim of the task is lost, CMD gets TERM and, after
--grace, KILL. Signals are sent to the commands that run. After INT or TERM the
commands have --grace to end, and then zkr ends. A task whose command exits
with 0 even then is done. Others are assigned again, and that attempt does not
count.

If another worker has this ID, wait until it is gone.

Exit codes: 0 after INT or TERM, 128+N after other signals, 125 if zkr failed
(no session, missing rights, bad usage), 126 if CMD cannot be executed, 127 if
it is not found.`,
		Example:     `  zkr task work --id w1 --concurrency 4 /tasks -- resize`,
		Annotations: map[string]string{wrapsAnnotation: ""},
	}
	f.register(cmd)
	fs := cmd.Flags()
	fs.StringVar(&w.id, "id", "", "`name` of the worker")
	fs.StringVar(&address, "addr", "", "`text` that others see (default host:pid)")
	fs.IntVar(&concurrency, "concurrency", 1, "run up to `N` commands at a time")
	fs.DurationVar(&retryAfter, "retry-after", time.Second, "pause after the first failed attempt; it doubles with each further one, up to a minute")
	grace.register(cmd, "")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var err error
		if w.worker.path, w.worker.command, err = pathAndRequiredCommand(cmd, args); err == nil && w.id == "" {
			err = usage("--id is missing")
		}
		err = cmp.Or(err, f.check(), positive("--concurrency", concurrency), notNegative("--retry-after", retryAfter), grace.check(), checkPool(w.worker.path))
		if err != nil {
			return err
		}
		w.worker.grace = grace.duration
		w.poolOpts = []tasks.Option{tasks.WithMaxAttempts(f.attempts)}
		w.opts = []tasks.WorkOption{tasks.WithConcurrency(concurrency)}
		if address != "" {
			w.poolOpts = append(w.poolOpts, tasks.WithAddress(address))
		}
		if fs.Changed("retry-after") {
			w.opts = append(w.opts, tasks.WithRetryAfter(backoff.Doubling(retryAfter, max(retryAfter, time.Minute))))
		}
		return w.worker.run(a, w.work)
	}
	return cmd
}

// taskWorker runs a command for each task of a pool.
type taskWorker struct {
	app      *app
	worker   commandWorker
	id       string
	poolOpts []tasks.Option
	opts     []tasks.WorkOption

	stop context.CancelCauseFunc // ends work because of an error
}

// work runs the command for each task until a signal comes.
func (w *taskWorker) work() error {
	sig := w.worker.sig
	var ctx context.Context
	ctx, w.stop = context.WithCancelCause(sig.WaitContext())
	defer w.stop(nil)
	pool := (&client{w.app, w.worker.session, sig}).pool(w.worker.path, w.poolOpts...)
	err := pool.Work(ctx, w.id, w.attempt, append(w.opts, tasks.WithStopTime(w.worker.grace))...)
	var exitErr *exitError
	if errors.As(context.Cause(ctx), &exitErr) { // the command cannot be run
		return exitErr
	}
	return w.worker.result(cmp.Or(err, context.Cause(ctx)))
}

// attempt runs the command for a task and returns its stdout.
func (w *taskWorker) attempt(ctx context.Context, t tasks.Task[[]byte]) ([]byte, error) {
	command, maxResult := w.worker.command, w.worker.session.MaxPayload()
	c, err := w.worker.sig.StartCaptured(command, proc.Spec{
		Env: w.environment(t), Deadline: t.Deadline, Notice: w.app.notice,
	}, t.Input, maxResult, w.app.stderr)
	if err != nil {
		err = startError(command, err)
		w.stop(err) // the command cannot run for other tasks either
		return nil, err
	}
	select {
	case <-c.Done():
	case <-ctx.Done():
		w.stopCommand(ctx, t, c)
	}
	w.worker.detach(c.Child)
	complete := c.Finish(w.worker.grace)
	result, truncated := c.Stdout()
	switch {
	case c.ExitCode() != 0:
		err = attemptError(c)
	case !complete:
		err = fmt.Errorf("stdout is still open %v after the end of %s", w.worker.grace, command.Name())
	case truncated:
		err = tasks.Permanent(fmt.Errorf("the result has more than %d bytes", maxResult))
	}
	if err != nil {
		if ctx.Err() == nil {
			w.app.notice("%s: attempt %d: %v", t.ID, t.Attempt, err)
		}
		return nil, err
	}
	return result, nil
}

// stopCommand stops the command of an attempt that has ended.
func (w *taskWorker) stopCommand(ctx context.Context, t tasks.Task[[]byte], c *proc.CapturedChild) {
	switch {
	case errors.Is(context.Cause(ctx), tasks.ErrLost):
		w.app.notice("%s: the claim is lost, stopping %s", t.ID, w.worker.command.Name())
	case w.worker.sig.WaitContext().Err() != nil: // the signal was relayed to the command
		select {
		case <-c.Done():
		case <-time.After(w.worker.grace):
			c.Stop(0)
		}
		return
	}
	c.Stop(w.worker.grace)
}

// attemptError returns the failure of an attempt whose command has failed: how it
// ended, and its last line on stderr.
func attemptError(c *proc.CapturedChild) error {
	if err := c.Err(); err != nil {
		return err
	}
	text := fmt.Sprintf("exit status %d", c.ExitCode())
	if sig := c.KilledBy(); sig != 0 {
		text = "signal: " + sig.String()
	}
	if line := c.LastLine(); line != "" {
		text += ": " + line
	}
	return errors.New(text)
}

func (w *taskWorker) environment(t tasks.Task[[]byte]) []string {
	return w.worker.environment(t.Attempt,
		"ZKR_TASK="+t.ID,
		"ZKR_TOKEN="+strconv.FormatInt(int64(t.Token()), 10),
		"ZKR_SESSION="+hex(w.worker.session.Status().ID))
}
