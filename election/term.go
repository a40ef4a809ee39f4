package election

import (
	"context"
	"errors"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/session"
)

// Term is proof of leadership until its Context is done. It is safe for
// concurrent use.
type Term struct {
	l  *lease.Lease
	id string
}

// Context is done when the term has ended, by Resign or by loss; context.Cause
// tells which, as Err does. It carries the values of the context that Campaign
// was given, but not its end.
func (t *Term) Context() context.Context { return t.l.Context() }

// Err is nil while the term lasts. After that it is ErrResigned, or ErrLost
// wrapping the reason.
func (t *Term) Err() error { return t.l.Err() }

// Deadline returns the moment by which everything that works under the term must
// have stopped: the session certainly lives on the servers until then. changed is
// closed when a later proof has moved it. Once ownership has ended, the deadline is
// the moment of its end, and changed is nil.
func (t *Term) Deadline() (deadline time.Time, changed <-chan struct{}) { return t.l.Deadline() }

// Token grows from term to term. Store it with each write that only the leader
// may make, and refuse writes with a smaller one.
func (t *Term) Token() session.Zxid { return t.l.Token() }

// Guards make a transaction fail unless the term lasts; Txn is simpler. With
// WithFixedNode they check the version of the leader's node, which does not help if
// somebody deletes the node by hand and another candidate's node has the same version
// before the loss is noticed.
func (t *Term) Guards() []session.Op { return t.l.Guards() }

// Txn carries out ops in a transaction that fails with ErrLost unless the term lasts.
// It returns the results of ops only. If the servers refuse one of ops, the error is
// theirs and the ownership goes on.
//
// It takes one round trip. If ctx or the ZooKeeper session ends before the outcome is
// known, the error is session.ErrUnknown.
func (t *Term) Txn(ctx context.Context, ops ...session.Op) ([]session.Result, error) {
	return t.l.Txn(ctx, ops...)
}

// Verify has the ensemble confirm that the term lasts, in one round trip through
// its leader. If it does not, the term ends, and the error is that of Err.
func (t *Term) Verify(ctx context.Context) error { return t.l.Verify(ctx) }

// Proclaim replaces the data that is published beside the leader's id; observers
// are told. It fails with the term's Err if the term has ended.
func (t *Term) Proclaim(ctx context.Context, data []byte) error {
	return t.l.Publish(ctx, encode(t.id, data))
}

// Resign ends the term and lets the next candidate lead. The term's Context ends
// first; then the node is deleted. ctx bounds only the wait for it: should it
// end, the deletion goes on in the background until it is done or the session's
// epoch is over. A second Resign returns ErrResigned, and one of a lost term
// ErrLost.
func (t *Term) Resign(ctx context.Context) error { return t.l.Release(ctx) }

// Release is Resign.
func (t *Term) Release(ctx context.Context) error { return t.l.Release(ctx) }

// Path is the leader's node.
func (t *Term) Path() string { return t.l.Path() }

// SessionID is ZooKeeper's id of the session that leads.
func (t *Term) SessionID() int64 { return t.l.Session() }

// run calls fn for the term and ends it. lost says that it had ended before fn
// returned.
func (t *Term) run(ctx context.Context, fn func(context.Context, *Term) error) (lost bool, err error) {
	// The term ends whatever has become of ctx, and if fn panics.
	defer func() {
		rerr := t.Resign(context.WithoutCancel(ctx))
		if lost = errors.Is(rerr, ErrLost); rerr != nil && !lost && !errors.Is(rerr, ErrResigned) {
			err = errors.Join(err, rerr)
		}
	}()
	fctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(t.Context(), func() { cancel(t.Err()) })()
	return false, fn(fctx, t)
}
