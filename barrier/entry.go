package barrier

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/session"
)

// Entry is membership of a round until its Context is done. It is safe for
// concurrent use.
type Entry struct {
	double *Double
	l      *lease.Lease
	round  round
}

// Context is done when the membership has ended, by Leave or by loss;
// context.Cause tells which, as Err does. It carries the values of the context
// that Enter was given, but not its end.
func (e *Entry) Context() context.Context { return e.l.Context() }

// Err is nil while the membership lasts. After that it is ErrLeft, or ErrLost
// wrapping the reason: session.ErrExpired, session.ErrNoNode when somebody removed
// the node, session.ErrClosed.
func (e *Entry) Err() error { return e.l.Err() }

// Deadline returns the moment by which everything that works under the entry must
// have stopped: the session certainly lives on the servers until then. changed is
// closed when a later proof has moved it. Once the membership has ended, the deadline is
// the moment of its end, and changed is nil.
func (e *Entry) Deadline() (deadline time.Time, changed <-chan struct{}) { return e.l.Deadline() }

// Round is the same for all members of a round, and grows from round to round. It
// is the zxid of the transaction that the round began with. If a member that uses
// another library has begun the round and it could not be seen when, it is 0.
func (e *Entry) Round() session.Zxid { return e.round.zxid }

// Guards make a transaction fail with session.ErrNoNode unless the membership lasts.
// Txn is simpler.
func (e *Entry) Guards() []session.Op { return e.l.Guards() }

// Verify has the ensemble confirm the membership, in one round trip through its
// leader. If it has ended, the error is that of Err.
func (e *Entry) Verify(ctx context.Context) error { return e.l.Verify(ctx) }

// Txn carries out ops in a transaction that fails with ErrLost unless the membership lasts.
// It returns the results of ops only. If the servers refuse one of ops, the error is
// theirs and the ownership goes on.
//
// It takes one round trip. If ctx or the ZooKeeper session ends before the outcome is
// known, the error is session.ErrUnknown.
func (e *Entry) Txn(ctx context.Context, ops ...session.Op) ([]session.Result, error) {
	return e.l.Txn(ctx, ops...)
}

// Release ends the membership as Leave does, and does not wait for the other members.
// It takes two round trips, the deletion and a list, and one more for the last member,
// which deletes ready.
func (e *Entry) Release(ctx context.Context) error {
	if err := e.l.Release(ctx); err != nil {
		return err
	}
	_, err := session.InEpoch(ctx, e.double.session, e.op(), func(ep *session.Epoch) (struct{}, error) {
		for {
			others, done, err := e.leave(ctx, ep, e.round.members)
			if len(others) > 0 || done || err != nil {
				return struct{}{}, err
			}
		}
	})
	return err
}

func (e *Entry) op() session.OpError {
	return session.OpError{Package: "barrier", Op: "leave", Path: e.double.path}
}

// Path is the member's node.
func (e *Entry) Path() string { return e.l.Path() }

// SessionID is ZooKeeper's id of the session that has entered.
func (e *Entry) SessionID() int64 { return e.l.Session() }

// Leave ends the membership and waits until all members of the round have left or
// are gone. The entry's Context ends first; then its node is deleted. When ctx ends
// before all have left, Leave returns its cause in an error, and this member has
// left all the same: the deletion, if it is still under way, goes on in the
// background. A second Leave returns ErrLeft, and one of a lost entry ErrLost.
//
// Whoever leaves watches one of the others at a time. It takes three round trips,
// the deletion, a list, and, for all who find nobody there, the deletion of ready,
// and one more list, and a watch, for the others that it had to wait for: with n
// members about ln(n) of them.
func (e *Entry) Leave(ctx context.Context) error {
	if err := e.l.Release(ctx); err != nil {
		return err
	}
	_, err := session.InEpoch(ctx, e.double.session, e.op(), func(ep *session.Epoch) (struct{}, error) {
		return struct{}{}, e.awaitOthers(ctx, ep)
	})
	return err
}

func (e *Entry) failed(err error) error {
	return &session.OpError{Package: "barrier", Op: "leave", Path: e.double.path, Err: err}
}

// awaitOthers waits within an epoch. All watch the same one, and each looks again
// only when that one has left before the others. Names are random, so that is
// seldom.
func (e *Entry) awaitOthers(ctx context.Context, ep *session.Epoch) error {
	others := e.round.members
	for {
		var done bool
		var err error
		if others, done, err = e.leave(ctx, ep, others); done || err != nil {
			return err
		}
		if len(others) == 0 {
			continue
		}
		other := slices.Min(others)
		nodes, err := ep.WatchNodes(ctx, e.double.node(other))
		if err != nil {
			return err
		}
		n := nodes[0]
		switch {
		case errors.Is(n.Err, session.ErrNoNode):
		case n.Err != nil:
			return n.Err
		case n.Stat.Czxid > e.round.before: // it has come again under its name
			n.Watch.Close()
			others = slices.DeleteFunc(others, func(name string) bool { return name == other })
		default:
			blocked := ep.Blocked(n.Path, n.Stat)
			if err := n.Watch.Wait(ctx); err != nil {
				if ctx.Err() != nil {
					err = e.failed(lease.WithReason(ctx, blocked))
				}
				return err
			}
		}
	}
}

// leave returns the members among others that have not left. If all have, it deletes
// ready, and done reports that nothing is left to do.
func (e *Entry) leave(ctx context.Context, ep *session.Epoch, others []string) (left []string, done bool, err error) {
	children, err := ep.Children(ctx, e.double.path)
	if errors.Is(err, session.ErrNoNode) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	if others = intersection(others, children); len(others) > 0 {
		return others, false, nil
	}
	done, err = e.end(ctx, ep, children)
	return nil, done, err
}

// end deletes ready, if it is there and the round was the latest.
func (e *Entry) end(ctx context.Context, ep *session.Epoch, children []string) (done bool, err error) {
	if !slices.Contains(children, e.double.layout.ready()) {
		return true, nil
	}
	_, err = ep.Txn(ctx, e.double.cleanUpOps(e.round.version)...)
	if errors.Is(err, session.ErrUnknown) && ctx.Err() == nil {
		return false, ep.Err() // list again, in the next epoch if this one has ended
	}
	if errors.Is(err, session.ErrNoNode) || errors.Is(err, session.ErrBadVersion) {
		err = nil
	}
	return true, err
}
