package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/proc"
	"github.com/zkrecipes/zkrecipes/queue"
)

func newQueueWork(a *app) *cobra.Command {
	var concurrency, attempts int
	var once bool
	var grace graceFlag
	cmd := &cobra.Command{
		Use:   "work [flags] PATH -- CMD [ARG...]",
		Short: "Run a command for each item",
		Long: `Claim items and run CMD for each of them, with the item on stdin. If CMD exits
with 0, the item is removed from the queue. Otherwise it returns to its place
in the queue. When zkr dies, its items are delivered to other workers as soon
as its session has expired, so CMD can run more than once for an item. With
--attempts N, an item whose N-th attempt fails becomes a dead letter (see zkr
queue dead).

CMD is run as by zkr lock. Its environment has ZKR_PATH, ZKR_ITEM (the id) and
ZKR_ATTEMPT (1 for the first). INT and TERM are sent to the commands that run,
and zkr ends when they have ended.

Exit codes: 0 after INT or TERM; with --once that of CMD, or 123 if the claim
of the item was lost; 128+N after other signals, 125 if zkr failed (no session,
missing rights, bad usage), 126 if CMD cannot be executed, 127 if it is not
found.`,
		Example: `  zkr queue work --concurrency 4 /jobs -- resize
  zkr queue work --once /jobs -- sh -c 'read job; handle "$job"'`,
		Annotations: map[string]string{wrapsAnnotation: ""},
	}
	fs := cmd.Flags()
	fs.IntVar(&concurrency, "concurrency", 1, "run up to `N` commands at a time")
	fs.IntVar(&attempts, "attempts", 0, "try an item up to `N` times; 0 for no limit")
	fs.BoolVar(&once, "once", false, "run the command for one item only")
	grace.register(cmd, " if the item is lost")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, command, err := pathAndRequiredCommand(cmd, args)
		if err == nil && once && concurrency > 1 {
			err = usage("--once and --concurrency exclude each other")
		}
		if err := cmp.Or(err, positive("--concurrency", concurrency), notNegative("--attempts", attempts), grace.check()); err != nil {
			return err
		}
		w := &queueWorker{
			app: a, worker: commandWorker{path: path, command: command, grace: grace.duration},
			concurrency: concurrency, attempts: attempts,
		}
		return w.worker.run(a, func() error {
			q := (&client{a, w.worker.session, w.worker.sig}).queue(path, queue.Native, queue.WithStopTime(w.worker.grace))
			if once {
				return w.consumeOne(q)
			}
			return w.consume(q)
		})
	}
	return cmd
}

// queueWorker runs a command for each item of a queue.
type queueWorker struct {
	app         *app
	worker      commandWorker
	concurrency int
	attempts    int // 0 for no limit
}

// consumeOne runs the command for one item.
func (w *queueWorker) consumeOne(q *queue.Queue[[]byte]) error {
	stop := w.app.explain(w.worker.sig.WaitContext(), itemsOf(w.worker.path, q.Len))
	item, err := q.Claim(w.worker.sig.WaitContext())
	stop()
	if err != nil {
		return signalOr(w.worker.sig, err)
	}
	code, err := w.runCommand(item)
	ctx, cancel := context.WithTimeout(w.worker.sig.ReleaseContext(), closeGrace)
	defer cancel()
	settle := item.Ack
	switch {
	case err == nil && code != 0 && w.isLastAttempt(item):
		settle = func(ctx context.Context) error { return item.Bury(ctx, exitCodeError(code)) }
	case err != nil || code != 0:
		settle = item.Nack
	}
	switch serr := settle(ctx); {
	case errors.Is(serr, queue.ErrLost):
		return exit(exitLost, atPath(w.worker.path, serr))
	case serr != nil && err == nil && code == 0:
		return serr // the item may be delivered again
	case serr != nil:
		w.app.notice("%v", serr)
	}
	if err == nil && code != 0 {
		err = exit(code, nil)
	}
	return err
}

// consume runs the command for each item until a signal comes.
func (w *queueWorker) consume(q *queue.Queue[[]byte]) error {
	ctx, stop := context.WithCancelCause(w.worker.sig.WaitContext())
	defer stop(nil)
	options := []queue.ConsumeOption{queue.WithConcurrency(w.concurrency)}
	if w.attempts > 0 {
		options = append(options, queue.WithMaxAttempts(w.attempts))
	}
	started := w.app.explain(ctx, itemsOf(w.worker.path, q.Len))
	defer started()
	err := q.Consume(ctx, func(_ context.Context, item *queue.Item[[]byte]) error {
		started()
		code, err := w.runCommand(item)
		switch {
		case err != nil:
			stop(err) // the command cannot run for other items either
		case code != 0:
			err = exitCodeError(code)
			outcome := "is put back"
			if w.isLastAttempt(item) {
				outcome = "becomes a dead letter"
			}
			w.app.notice("%s: %s has ended with %d for %s, which %s", w.worker.path, w.worker.command.Name(), code, item.ID, outcome)
		}
		return err
	}, options...)
	return w.worker.result(cmp.Or(err, context.Cause(ctx)))
}

// isLastAttempt reports whether an item becomes a dead letter if this attempt fails.
func (w *queueWorker) isLastAttempt(item *queue.Item[[]byte]) bool {
	return w.attempts > 0 && item.Attempt >= w.attempts
}

func exitCodeError(code int) error { return fmt.Errorf("exit code %d", code) }

// runCommand runs the command for an item and returns its exit code. It returns an
// error if the command could not be run.
func (w *queueWorker) runCommand(item *queue.Item[[]byte]) (code int, err error) {
	command := w.worker.command
	c, err := w.worker.sig.StartWithInput(command, proc.Spec{
		Env: w.worker.environment(item.Attempt, "ZKR_ITEM="+item.ID), Deadline: item.Deadline, Notice: w.app.notice,
	}, item.Value)
	if err != nil {
		return 0, startError(command, err)
	}
	select {
	case <-c.Done():
	case <-item.Context().Done():
		w.app.notice("%s: %s is lost, stopping %s", w.worker.path, item.ID, command.Name())
		c.Stop(w.worker.grace)
	}
	c.CloseInput()
	w.worker.detach(c)
	if err := c.Err(); err != nil {
		return c.ExitCode(), exit(exitFailed, fmt.Errorf("%s: %w", command.Name(), err))
	}
	return c.ExitCode(), nil
}
