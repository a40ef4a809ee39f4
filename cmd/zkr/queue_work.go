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
	"github.com/zkrecipes/zkrecipes/queue"
)

func newQueueWork(a *app) *cobra.Command {
	var concurrency, attempts int
	var once bool
	var grace time.Duration
	cmd := &cobra.Command{
		Use:   "work [flags] PATH -- CMD [ARG...]",
		Short: "Run a command for each item",
		Long: `Claim items and run CMD for each, with the item on stdin. If CMD exits with 0, the
item is taken out of the queue, and else put back into its place. When zkr dies, its
items go to others at the end of its session; so an item may be worked on twice.
With --attempts N, an item whose N-th attempt fails becomes a dead letter instead of
being put back (see zkr queue dead).

CMD is run as that of zkr lock is. Its environment has ZKR_PATH, ZKR_ITEM (the id) and
ZKR_ATTEMPT (1 for the first). INT and TERM go to the commands that run, and when they
have ended, so does zkr.

Exit codes: 0 when told to end by INT or TERM; with --once CMD's own, or 123 if the
item was lost meanwhile; 128+N for other signals, 125 if zkr failed (no session, missing
rights, bad usage), 126 if CMD cannot be executed, 127 if it is not found.`,
		Example: `  zkr queue work --concurrency 4 /jobs -- resize
  zkr queue work --once /jobs -- sh -c 'read job; handle "$job"'`,
		Annotations: map[string]string{wraps: ""},
	}
	fs := cmd.Flags()
	fs.IntVar(&concurrency, "concurrency", 1, "work on up to `N` items at a time")
	fs.IntVar(&attempts, "attempts", 0, "try an item up to `N` times; 0 is no limit")
	fs.BoolVar(&once, "once", false, "work on one item only")
	fs.DurationVar(&grace, "grace", defaultGrace, "time for CMD between TERM and KILL when the item is lost")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, command, err := pathAndCommand(cmd, args)
		switch {
		case err != nil:
			return err
		case command == nil:
			return usage("a command is missing; it comes after --")
		case concurrency <= 0:
			return usage("--concurrency %d", concurrency)
		case attempts < 0:
			return usage("--attempts %d", attempts)
		case once && concurrency > 1:
			return usage("--once and --concurrency exclude each other")
		case grace < 0:
			return usage("--grace %v is negative", grace)
		}
		w := &queueWorker{app: a, path: path, command: command, grace: grace, concurrency: concurrency, attempts: attempts}
		return w.run(once)
	}
	return cmd
}

// queueWorker runs a command for each item of a queue.
type queueWorker struct {
	*app
	sig         *proc.Signals
	path        string
	command     *proc.Command
	grace       time.Duration
	concurrency int
	attempts    int // 0 is no limit

	mu     sync.Mutex
	killed int // the exit code of a command that was killed by a signal to zkr
}

func (w *queueWorker) run(once bool) error {
	w.sig = w.watchSignals()
	defer w.sig.Close()
	s, err := w.connect(w.sig.WaitContext())
	if err != nil {
		return signalOr(w.sig, err)
	}
	defer w.closeSession(w.sig.ReleaseContext(), s)
	if w.grace, err = stopTime(s, w.grace); err != nil {
		return err
	}
	q := (&client{w.app, s, w.sig}).queue(w.path, queue.Native, queue.WithStopTime(w.grace))
	if once {
		return w.one(q)
	}
	return w.all(q)
}

// one works on one item.
func (w *queueWorker) one(q *queue.Queue[[]byte]) error {
	item, err := q.Claim(w.sig.WaitContext())
	if err != nil {
		return signalOr(w.sig, err)
	}
	code, err := w.work(item)
	ctx, cancel := context.WithTimeout(w.sig.ReleaseContext(), closeGrace)
	defer cancel()
	settle := item.Ack
	switch {
	case err == nil && code != 0 && w.last(item):
		settle = func(ctx context.Context) error { return item.Bury(ctx, exitWith(code)) }
	case err != nil || code != 0:
		settle = item.Nack
	}
	switch serr := settle(ctx); {
	case errors.Is(serr, queue.ErrLost):
		return exit(exitLost, serr)
	case serr != nil && err == nil && code == 0:
		return serr // it may be worked on again
	case serr != nil:
		w.notice("%v", serr)
	}
	if err == nil && code != 0 {
		err = exit(code, nil)
	}
	return err
}

// all works on items until a signal comes.
func (w *queueWorker) all(q *queue.Queue[[]byte]) error {
	ctx, stop := context.WithCancelCause(w.sig.WaitContext())
	defer stop(nil)
	options := []queue.ConsumeOption{queue.WithConcurrency(w.concurrency)}
	if w.attempts > 0 {
		options = append(options, queue.WithMaxAttempts(w.attempts))
	}
	err := q.Consume(ctx, func(_ context.Context, item *queue.Item[[]byte]) error {
		code, err := w.work(item)
		switch {
		case err != nil:
			stop(err) // no other item would fare better
		case code != 0:
			err = exitWith(code)
			outcome := "is put back"
			if w.last(item) {
				outcome = "becomes a dead letter"
			}
			w.notice("%s: %s has ended with %d for %s, which %s", w.path, w.command.Name(), code, item.ID, outcome)
		}
		return err
	}, options...)
	switch {
	case w.sig.WaitContext().Err() == nil:
		return err
	case w.killed != 0:
		return exit(w.killed, nil)
	}
	return afterSignal(w.sig)
}

// last reports whether a failed attempt at an item is its last.
func (w *queueWorker) last(item *queue.Item[[]byte]) bool {
	return w.attempts > 0 && item.Attempt >= w.attempts
}

func exitWith(code int) error { return fmt.Errorf("exit code %d", code) }

// work runs the command for an item, and gives its exit code. An error says that it
// could not be run.
func (w *queueWorker) work(item *queue.Item[[]byte]) (code int, err error) {
	c, err := w.sig.StartWithInput(w.command, proc.Spec{Env: w.environment(item), Deadline: item.Deadline, Notice: w.notice}, item.Value)
	if err != nil {
		return 0, startError(w.command, err)
	}
	select {
	case <-c.Done():
	case <-item.Context().Done():
		w.notice("%s: %s is lost, stopping %s", w.path, item.ID, w.command.Name())
		c.Stop(w.grace)
	}
	c.CloseInput()
	if w.sig.Detach(c) && !proc.IsTermination(c.KilledBy()) {
		w.mu.Lock()
		w.killed = c.ExitCode()
		w.mu.Unlock()
	}
	if err := c.Err(); err != nil {
		return c.ExitCode(), exit(exitFailed, fmt.Errorf("%s: %w", w.command.Name(), err))
	}
	return c.ExitCode(), nil
}

// environment tells the child what it works on.
func (w *queueWorker) environment(item *queue.Item[[]byte]) []string {
	return append(os.Environ(),
		"ZKR_STOP_TIME="+w.grace.String(),
		"ZKR_PATH="+w.path,
		"ZKR_ITEM="+item.ID,
		"ZKR_ATTEMPT="+strconv.Itoa(item.Attempt))
}
