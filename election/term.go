package election

import (
	"context"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/session"
)

// Term is the leadership of an election, which lasts until its Context is done. It is safe
// for concurrent use.
type Term struct {
	l  *lease.Lease
	id string
}

// Context is done when the term has ended, by Resign or by loss. context.Cause of it is the
// error that Err returns. It carries the values of the context that was passed to Campaign,
// but is not canceled with it.
func (t *Term) Context() context.Context { return t.l.Context() }

// Err returns nil while the term lasts. After that it returns ErrResigned, or ErrLost
// wrapping the reason.
func (t *Term) Err() error { return t.l.Err() }

// Deadline returns the moment by which all work under the term must have stopped. The
// servers certainly keep the ZooKeeper session until then. changed is closed when a later
// proof has moved the deadline. Once the term has ended, the deadline is the moment at
// which it ended, and changed is nil.
func (t *Term) Deadline() (deadline time.Time, changed <-chan struct{}) { return t.l.Deadline() }

// Token returns a number that grows from term to term. Store it with each write that only
// the leader may make, and refuse writes with a smaller token.
func (t *Term) Token() session.Zxid { return t.l.Token() }

// Guards returns operations that make a transaction fail unless the term lasts. Txn is
// simpler.
//
// With WithFixedNode they check the version of the leader's node, which changes with
// Proclaim and when the leader is asked to step down: a transaction with older guards then
// fails with session.ErrBadVersion although the term lasts. Guards do not help if an
// operator deletes the node and another candidate's node has the same version before the
// loss is noticed.
func (t *Term) Guards() []session.Op { return t.l.Guards() }

// Txn runs ops in a transaction that fails with ErrLost unless the term lasts. It returns
// the results of ops only. If the servers refuse one of ops, Txn returns their error and
// the term continues.
//
// It takes one round trip. If ctx or the ZooKeeper session ends before the outcome is
// known, the error is session.ErrUnknown.
func (t *Term) Txn(ctx context.Context, ops ...session.Op) ([]session.Result, error) {
	return t.l.Txn(ctx, ops...)
}

// Verify confirms with the leader of the ensemble that the term lasts. If it does not, the
// term ends, and Verify returns the error that Err returns. It takes one round trip.
func (t *Term) Verify(ctx context.Context) error { return t.l.Verify(ctx) }

// Proclaim replaces the data that is published beside the leader's id, and notifies
// observers. It fails with the error of Err if the term has ended. As with WithData, the
// first line of data must not be __REVOKE__. Do not use it on elections that are shared with
// a LeaderLatch of Curator; see Election.StepDown.
//
// A request to step down remains in the node. Proclaim takes one round trip, and two more
// if such a request has arrived that the term does not know yet.
func (t *Term) Proclaim(ctx context.Context, data []byte) error {
	if err := checkData(data); err != nil {
		return &session.OpError{Package: "election", Op: "proclaim", Path: t.l.Path(), Err: err}
	}
	return t.l.Publish(ctx, func(revoked bool) []byte { return encode(t.id, data, revoked) })
}

// Resign ends the term and lets the next candidate lead. The term's Context ends first;
// then the node is deleted. A second Resign returns ErrResigned, and Resign of a lost term
// returns ErrLost.
//
// ctx bounds only the wait for the deletion. If ctx ends first, the deletion continues in
// the background until it is done or the session's epoch ends.
func (t *Term) Resign(ctx context.Context) error { return t.l.Release(ctx) }

// Release calls Resign.
func (t *Term) Release(ctx context.Context) error { return t.l.Release(ctx) }

// Path returns the path of the leader's node.
func (t *Term) Path() string { return t.l.Path() }

// SessionID returns the id of the ZooKeeper session that leads.
func (t *Term) SessionID() int64 { return t.l.Session() }
