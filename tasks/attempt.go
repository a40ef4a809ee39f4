package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/lease"
	"github.com/zkrecipes/zkrecipes/session"
)

// refusal ends Work: an error that waiting does not mend.
type refusal struct{ reason error }

func (r *refusal) Error() string   { return ErrStopped.Error() + ": " + r.reason.Error() }
func (r *refusal) Unwrap() []error { return []error{ErrStopped, r.reason} }

// permanentError tells whether a request fails however often it is made.
func permanentError(err error) bool {
	return errors.Is(err, session.ErrNoAuth) || errors.Is(err, session.ErrInvalid) || errors.Is(err, session.ErrInvalidACL) ||
		errors.Is(err, session.ErrClosed)
}

// errNotSettled says that a task has to be looked at again.
var errNotSettled = errors.New("tasks: not settled")

// attend carries out an assigned task, or removes the assignment if there is nothing
// to do any more. It reports whether the assignment has been settled, which it is
// unless ctx has ended.
func (w *worker) attend(ctx context.Context, task string) bool {
	var p pause
	for ctx.Err() == nil {
		began := time.Now()
		e, err := w.session.Epoch(ctx)
		if err == nil {
			a := &attempt{worker: w, epoch: e, task: task}
			if err = a.make(ctx); err == nil {
				return true
			}
		}
		if permanentError(err) {
			w.stop(&refusal{err})
		}
		p.after(ctx, began)
	}
	return false
}

// attempt is one look at an assigned task, and its handler's call if there is to be
// one.
type attempt struct {
	*worker
	epoch *session.Epoch
	task  string

	assignment session.Node
	input      []byte
	history    history
	lease      *lease.Lease
}

func (a *attempt) path() string { return a.core.assignment(a.id, a.task) }

// make makes the attempt. A nil error says that the assignment has been settled.
func (a *attempt) make(ctx context.Context) error {
	nodes, err := a.epoch.Nodes(ctx, a.path(), a.core.task(a.task), a.status(a.task), a.attempts(a.task))
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
		return a.drop(ctx)
	}
	if err := a.claim(ctx); err != nil {
		return err
	}
	return a.carryOut(ctx)
}

// drop removes the assignment of a task that is not there, or is finished.
func (a *attempt) drop(ctx context.Context) error {
	_, err := a.epoch.Txn(ctx, session.OpDelete(a.path(), a.assignment.Stat.Version))
	if errors.Is(err, session.ErrNoNode) {
		return nil
	}
	return err
}

// claim makes the attempt's lease. The version of the assignment counts the claims.
func (a *attempt) claim(ctx context.Context) error {
	if err := a.epoch.CheckStopTime(a.path(), a.stopTime); err != nil {
		return err
	}
	hold, err := a.epoch.HoldFor(ctx, a.stopTime)
	if err != nil {
		return err
	}
	if err := a.epoch.AwaitStopTime(ctx, a.stopTime); err != nil {
		hold()
		return err
	}
	path := a.core.claim(a.id, a.task)
	discard := func(rs []session.Result, err error) {
		if err == nil {
			a.epoch.Discard(path, rs[0].Stat.Czxid, nil)
		}
	}
	rs, err := a.epoch.Undertake(ctx, discard,
		session.OpCreate(path, []byte(a.address), session.Ephemeral()),
		session.OpSet(a.path(), a.assignment.Data, a.assignment.Stat.Version))
	if err != nil {
		hold()
		if errors.Is(err, session.ErrNodeExists) {
			// That of this worker's session before, or of another that had its id.
			if err := lease.AwaitAbsence(ctx, a.epoch, path); err != nil {
				return err
			}
			return errNotSettled
		}
		return err
	}
	a.lease = lease.Begin(ctx, lease.Claim{
		Epoch: a.epoch, Path: path, Token: rs[0].Stat.Czxid, Hold: hold,
	}, lease.Terms{Lost: ErrLost, Released: errSettled, StopTime: a.stopTime})
	return nil
}

// carryOut calls the handler and settles the task.
func (a *attempt) carryOut(ctx context.Context) error {
	// Claims that came to nothing were attempts, too.
	lost := int(a.assignment.Stat.Version)
	n := a.history.Attempts + lost + 1
	if n > a.maxAttempts {
		return a.settle(ctx, a.fail(exhausted(n-1, a.history.Error)))
	}
	result, err := a.call(ctx, Task[[]byte]{a.task, n, a.lease.Token(), a.input, a.lease})
	var p *permanent
	switch {
	case err == nil:
		return a.settle(ctx, []session.Op{
			session.OpCreate(a.result(a.task), result),
			session.OpCreate(a.status(a.task), []byte(statusDone)),
		})
	case errors.As(err, &p):
		return a.settle(ctx, a.fail(err.Error()))
	case ctx.Err() != nil: // interrupted, and not failed
		<-a.gone
		var ops []session.Op
		if lost > 0 {
			ops = a.record(history{Attempts: n - 1, Error: a.history.Error})
		}
		return a.settle(ctx, ops)
	case n == a.maxAttempts:
		return a.settle(ctx, a.fail(err.Error()))
	default:
		return a.settle(ctx, a.record(history{Attempts: n, Error: err.Error(), Pause: max(0, a.retryAfter(n))}))
	}
}

// exhausted is the message of a task whose last attempt has not lived to give one.
func exhausted(attempts int, last string) string {
	message := fmt.Sprintf("its worker has died or lost its claim at attempt %d", attempts)
	if last != "" {
		message += "; before that: " + last
	}
	return message
}

func (a *attempt) fail(message string) []session.Op {
	return []session.Op{session.OpCreate(a.status(a.task), failure(message))}
}

func (a *attempt) record(h history) []session.Op {
	return []session.Op{a.history.op(a.attempts(a.task), h)}
}

// call calls the handler with a context that ends with ctx and when the claim is
// lost.
func (a *attempt) call(ctx context.Context, t Task[[]byte]) ([]byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(a.lease.Context(), func() { cancel(a.lease.Err()) })()
	return a.handle(ctx, t)
}

// settle ends the claim and the assignment in the transaction that says what has
// come of it.
func (a *attempt) settle(ctx context.Context, ops []session.Op) error {
	ops = append(ops,
		session.OpDelete(a.core.claim(a.id, a.task), session.AnyVersion),
		session.OpDelete(a.path(), a.assignment.Stat.Version+1))
	err := a.lease.Settle(context.WithoutCancel(ctx), func() error {
		_, err := a.epoch.TxnWithReceipt(a.epoch.Context(), ops...)
		return err
	})
	if err != nil { // the task is for another attempt, whatever the reason
		a.lease.Release(context.WithoutCancel(ctx))
	}
	return err
}
