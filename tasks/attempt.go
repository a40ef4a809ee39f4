package tasks

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/batch"
	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/internal/recipe/refusal"
	"github.com/zkrecipes/zkrecipes/session"
)

// permanentError ends Work, because waiting does not make the request succeed.
type permanentError struct{ reason error }

func (r *permanentError) Error() string   { return ErrStopped.Error() + ": " + r.reason.Error() }
func (r *permanentError) Unwrap() []error { return []error{ErrStopped, r.reason} }

// errNotSettled makes process read the task again.
var errNotSettled = errors.New("tasks: not settled")

// process carries out an assigned task, or deletes the assignment if the task need
// not be carried out any more. It reports whether the assignment was settled. It
// was, unless ctx ended.
func (w *worker) process(ctx context.Context, task string) bool {
	pauses := newPauses()
	for ctx.Err() == nil {
		began := time.Now()
		e, err := w.pool.session.Epoch(ctx)
		if err == nil {
			a := &attempt{worker: w, epoch: e, task: task}
			if err = a.run(ctx); err == nil {
				return true
			}
		}
		if refusal.IsPermanent(err) {
			w.stop(&permanentError{err})
		}
		waitAfter(ctx, pauses, began)
	}
	return false
}

// attempt reads an assigned task once, and calls the handler if the task is to be
// carried out.
type attempt struct {
	worker *worker
	epoch  *session.Epoch
	task   string

	assignment session.Node
	input      []byte
	history    history
	lease      *lease.Lease
	early      atomic.Pointer[earlyRelease] // nil unless the handler has called Release
}

func (a *attempt) path() string { return a.worker.pool.paths.assignment(a.worker.id, a.task) }

// run makes the attempt. If it returns nil, the assignment is settled.
func (a *attempt) run(ctx context.Context) error {
	nodes, err := a.epoch.Nodes(ctx, a.path(), a.worker.pool.paths.task(a.task), a.worker.pool.paths.status(a.task), a.worker.pool.paths.attempts(a.task))
	if err != nil {
		return err
	}
	assignment, task, status, attempts := nodes[0], nodes[1], nodes[2], nodes[3]
	if errors.Is(assignment.Err, session.ErrNoNode) {
		return nil
	}
	for _, n := range nodes {
		if n.Err != nil && !errors.Is(n.Err, session.ErrNoNode) {
			return n.Err
		}
	}
	a.assignment, a.input, a.history = assignment, task.Data, readHistory(attempts)
	if task.Err != nil || status.Err == nil {
		return a.removeAssignment(ctx)
	}
	if err := a.claim(ctx); err != nil {
		return err
	}
	return a.execute(ctx)
}

// removeAssignment deletes the assignment of a task that does not exist or is
// finished.
func (a *attempt) removeAssignment(ctx context.Context) error {
	_, err := a.epoch.Txn(ctx, session.OpDelete(a.path(), a.assignment.Stat.Version))
	if errors.Is(err, session.ErrNoNode) {
		return nil
	}
	return err
}

// claim creates the claim and begins its lease. The version of the assignment
// counts the claims.
func (a *attempt) claim(ctx context.Context) error {
	if err := a.epoch.CheckStopTime(a.path(), a.worker.opts.stopTime); err != nil {
		return err
	}
	stopProving, err := a.epoch.KeepProvingFor(ctx, a.worker.opts.stopTime)
	if err != nil {
		return err
	}
	if err := a.epoch.AwaitStopTime(ctx, a.worker.opts.stopTime); err != nil {
		stopProving()
		return err
	}
	path := a.worker.pool.paths.claim(a.worker.id, a.task)
	discard := func(rs []session.Result, err error) {
		if err == nil {
			a.epoch.DeleteEventually(path, rs[0].Stat.Czxid, nil)
		}
	}
	rs, err := a.epoch.TxnDetached(ctx, discard,
		session.OpCreate(path, []byte(a.worker.pool.opts.address), session.Ephemeral()),
		session.OpSet(a.path(), a.assignment.Data, a.assignment.Stat.Version))
	if err != nil {
		stopProving()
		if errors.Is(err, session.ErrNodeExists) {
			// The claim of an earlier session of this worker, or of another worker that had its id.
			if err := lease.AwaitDeletion(ctx, a.epoch, path); err != nil {
				return err
			}
			return errNotSettled
		}
		return err
	}
	a.lease = lease.Begin(ctx, lease.Acquired{
		Package: "tasks",
		Epoch:   a.epoch, Path: path, Token: rs[0].Stat.Czxid, StopProving: stopProving,
		Checks: []lease.Check{{Path: a.path(), Version: a.assignment.Stat.Version + 1}},
	}, lease.Behavior{Lost: ErrLost, Released: ErrSettled, StopTime: a.worker.opts.stopTime})
	return nil
}

// execute calls the handler and settles the task.
func (a *attempt) execute(ctx context.Context) error {
	// Claims that were lost count as attempts, too.
	lost := int(a.assignment.Stat.Version)
	n := a.history.Attempts + lost + 1
	if n > a.worker.pool.opts.maxAttempts {
		return a.settle(context.WithoutCancel(ctx), a.failedOps(exhausted(n-1, a.history.Error)))
	}
	result, err := a.call(ctx, Task[[]byte]{a.task, n, a.input, a})
	if r := a.early.Load(); r != nil { // by Task.Release
		<-r.done
		return r.err
	}
	var p *permanent
	switch {
	case err == nil:
		return a.settle(context.WithoutCancel(ctx), []session.Op{
			session.OpCreate(a.worker.pool.paths.result(a.task), result),
			session.OpCreate(a.worker.pool.paths.status(a.task), []byte(statusDone)),
		})
	case errors.As(err, &p):
		return a.settle(context.WithoutCancel(ctx), a.failedOps(err.Error()))
	case ctx.Err() != nil: // interrupted, which does not count as a failed attempt
		<-a.worker.gone
		return a.release(context.WithoutCancel(ctx))
	case n == a.worker.pool.opts.maxAttempts:
		return a.settle(context.WithoutCancel(ctx), a.failedOps(err.Error()))
	default:
		return a.settle(context.WithoutCancel(ctx), a.attemptsOps(history{Attempts: n, Error: err.Error(), Pause: max(0, a.worker.opts.retryAfter(n))}))
	}
}

// earlyRelease is a call of Task.Release.
type earlyRelease struct {
	done chan struct{} // closed when err is known
	err  error
}

// releaseEarly is Task.Release. The attempt is settled in the background, whatever ctx
// does, and execute waits for the outcome: if it is an error, the assignment is still
// there, and is processed again.
func (a *attempt) releaseEarly(ctx context.Context) error {
	if err := a.lease.Err(); err != nil {
		return err
	}
	r := &earlyRelease{done: make(chan struct{})}
	if a.early.CompareAndSwap(nil, r) {
		settle := func() { defer close(r.done); r.err = a.release(context.WithoutCancel(ctx)) }
		if !a.epoch.Go(settle) {
			r.err = session.ErrClosed
			close(r.done)
		}
	} else {
		r = a.early.Load()
	}
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		if a.lease.Err() != nil { // which ends the handler's context
			<-r.done
			return r.err
		}
		return &session.OpError{Package: "tasks", Op: "release", Path: a.lease.Path(),
			Err: fmt.Errorf("%w (the release continues in the background)", context.Cause(ctx))}
	}
}

// release settles the attempt without counting it.
func (a *attempt) release(ctx context.Context) error {
	var ops []session.Op
	if lost := int(a.assignment.Stat.Version); lost > 0 {
		ops = a.attemptsOps(history{Attempts: a.history.Attempts + lost, Error: a.history.Error})
	}
	return a.settle(ctx, ops)
}

// exhausted is the message of a task whose last worker died or lost its claim.
func exhausted(attempts int, last string) string {
	message := fmt.Sprintf("its worker died or lost its claim at attempt %d", attempts)
	if last != "" {
		message += "; before that: " + last
	}
	return message
}

func (a *attempt) failedOps(message string) []session.Op {
	return []session.Op{session.OpCreate(a.worker.pool.paths.status(a.task), failure(message))}
}

func (a *attempt) attemptsOps(h history) []session.Op {
	var w batch.Write
	a.history.write(&w, a.worker.pool.paths.attempts(a.task), h)
	return batch.Ops(w)
}

// call calls the handler with a context that ends with ctx and when the claim is
// lost.
func (a *attempt) call(ctx context.Context, t Task[[]byte]) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(a.lease.Context(), func() { cancel(a.lease.Err()) })()
	return a.worker.handle(ctx, t)
}

// settle deletes the claim and the assignment in the transaction that records the
// outcome of the attempt.
func (a *attempt) settle(ctx context.Context, ops []session.Op) error {
	ops = append(ops,
		session.OpDelete(a.worker.pool.paths.claim(a.worker.id, a.task), session.AnyVersion),
		session.OpDelete(a.path(), a.assignment.Stat.Version+1))
	err := a.lease.ReleaseWith(ctx, func() error {
		_, err := a.epoch.TxnWithReceipt(a.epoch.Context(), ops...)
		return err
	})
	if err != nil { // for any reason: the task gets another attempt
		a.lease.Release(context.WithoutCancel(ctx))
	}
	return err
}
