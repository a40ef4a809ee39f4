package tasks

import (
	"context"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/session"
)

// Task is one attempt at a task, passed to a worker's handler. The attempt is owned
// through a claim (see session.Owned) until the handler returns or Release is
// called.
//
// A Task that a test creates for a handler has no claim: its Err is nil, its Token
// is 0, and Txn and Release fail.
type Task[In any] struct {
	ID      string
	Attempt int // 1 for the first
	Input   In

	attempt *attempt
}

// Context returns a context that is done when the claim has ended. Its cause wraps
// ErrLost or ErrSettled.
func (t Task[In]) Context() context.Context {
	if t.attempt == nil {
		return context.Background()
	}
	return t.attempt.lease.Context()
}

// Err returns nil while the claim lasts, ErrSettled after the attempt was settled,
// and an error that wraps ErrLost and the reason after the claim was lost.
func (t Task[In]) Err() error { return ofClaim(t.attempt, (*lease.Lease).Err) }

// Deadline returns the moment by which all work under the claim must have stopped:
// the ZooKeeper session certainly lives on the servers until then. changed is
// closed when a later proof has moved the deadline. After the claim has ended, the
// deadline is the moment of its end, and changed is nil.
func (t Task[In]) Deadline() (deadline time.Time, changed <-chan struct{}) {
	if t.attempt == nil {
		return time.Time{}, nil
	}
	return t.attempt.lease.Deadline()
}

// Token returns the claim's token, which grows with every attempt. Store it with
// what the handler writes; see session.Zxid.
func (t Task[In]) Token() session.Zxid { return ofClaim(t.attempt, (*lease.Lease).Token) }

// Path returns the path of the claim's node.
func (t Task[In]) Path() string { return ofClaim(t.attempt, (*lease.Lease).Path) }

// SessionID returns the id of the ZooKeeper session that owns the claim.
func (t Task[In]) SessionID() int64 { return ofClaim(t.attempt, (*lease.Lease).Session) }

// Guards returns operations that make a transaction fail with session.ErrNoNode or
// session.ErrBadVersion if the claim has ended. Txn is simpler.
func (t Task[In]) Guards() []session.Op { return ofClaim(t.attempt, (*lease.Lease).Guards) }

// Verify confirms the claim in one round trip through the leader. If the claim has
// ended, it returns the error of Err.
func (t Task[In]) Verify(ctx context.Context) error {
	if t.attempt == nil {
		return nil
	}
	return t.attempt.lease.Verify(ctx)
}

// Txn carries out ops in a transaction that fails with ErrLost unless the claim
// lasts. It returns the results of ops only. If the servers refuse one of ops, Txn
// returns that error and the claim continues.
//
// It takes one round trip. If ctx or the ZooKeeper session ends before the outcome
// is known, the error is session.ErrUnknown.
func (t Task[In]) Txn(ctx context.Context, ops ...session.Op) ([]session.Result, error) {
	if t.attempt == nil {
		return nil, t.unclaimed("write for")
	}
	return t.attempt.lease.Txn(ctx, ops...)
}

// Release returns the task to the master, which assigns it again. The attempt is
// not counted, and the result of the handler is ignored. If ctx is done first, the
// release continues in the background. If the servers refuse it, Release returns the
// refusal, and the task stays assigned to the worker.
func (t Task[In]) Release(ctx context.Context) error {
	if t.attempt == nil {
		return t.unclaimed("release")
	}
	return t.attempt.releaseEarly(ctx)
}

// ofClaim returns what f returns for the claim of a task, or the zero value if the task
// has none.
func ofClaim[R any](a *attempt, f func(*lease.Lease) R) (r R) {
	if a != nil {
		r = f(a.lease)
	}
	return r
}

func (t Task[In]) unclaimed(op string) error {
	return &session.OpError{Package: "tasks", Op: op, Path: t.ID, Err: args.Invalid("the task has no claim")}
}
