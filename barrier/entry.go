package barrier

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/internal/recipe/refusal"
	"github.com/zkrecipes/zkrecipes/session"
)

// Entry is the membership in a round. It lasts until its Context is done. It is safe
// for concurrent use.
type Entry struct {
	double *Double
	l      *lease.Lease
	round  round
}

// Context is done when the membership has ended, by Leave, Release or loss;
// context.Cause returns the reason, as Err does. It carries the values of the context
// passed to Enter, but is not canceled with it.
func (e *Entry) Context() context.Context { return e.l.Context() }

// Err returns nil while the membership lasts. After that it returns ErrLeft, or
// ErrLost wrapping the reason: session.ErrExpired, session.ErrNoNode if another client
// deleted the node, or session.ErrClosed.
func (e *Entry) Err() error { return e.l.Err() }

// Deadline returns the moment by which all work under the entry must have stopped:
// until then the ZooKeeper session is certainly alive on the servers. changed is
// closed when a later proof has moved the deadline. Once the membership has ended, the
// deadline is the moment of its end, and changed is nil.
func (e *Entry) Deadline() (deadline time.Time, changed <-chan struct{}) { return e.l.Deadline() }

// Round returns the number of the round. It is the same for all members of a round and
// grows from round to round: it is the zxid of the transaction that began the round.
// It is 0 if a member that uses another library began the round and the zxid could not
// be read.
func (e *Entry) Round() session.Zxid { return e.round.zxid }

// Guards returns operations that make a transaction fail with session.ErrNoNode unless
// the membership lasts. Txn is simpler.
func (e *Entry) Guards() []session.Op { return e.l.Guards() }

// Verify confirms the membership with the ensemble, in one round trip through the
// leader. If it has ended, the error is that of Err.
func (e *Entry) Verify(ctx context.Context) error { return e.l.Verify(ctx) }

// Txn carries out ops in a transaction that fails with ErrLost unless the membership
// lasts. It returns the results of ops only. If the servers refuse one of ops, Txn
// returns their error and the membership continues.
//
// It takes one round trip. If ctx or the ZooKeeper session ends before the outcome is
// known, the error is session.ErrUnknown.
func (e *Entry) Txn(ctx context.Context, ops ...session.Op) ([]session.Result, error) {
	return e.l.Txn(ctx, ops...)
}

// Release ends the membership as Leave does, but does not wait for the other members.
// It takes two round trips, the deletion and a list, and for the last member one more,
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

// Path returns the path of the member's node.
func (e *Entry) Path() string { return e.l.Path() }

// SessionID returns the id of the ZooKeeper session that entered.
func (e *Entry) SessionID() int64 { return e.l.Session() }

// Leave ends the membership and blocks until the nodes of all members of the round are
// deleted: the members have left, their ZooKeeper sessions have ended, or a client has
// deleted the nodes. The entry's Context is done first; then its node is deleted.
//
// If ctx is done before all have left, the error wraps context.Cause(ctx). This member
// has left nevertheless: if the deletion is in flight, it continues in the background.
// A second Leave returns ErrLeft, and Leave after a loss returns ErrLost.
//
// Leave takes two round trips, the deletion and a list, and one more if no other
// member is left and ready still exists: the deletion of ready. For each member that
// Leave waits for it takes two more, a read that sets a watch and a list after the
// event. It waits for one member at a time; with n members these are about ln(n).
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

// awaitOthers is the wait of Leave within one epoch. All members watch the same other
// member, the one with the smallest name, and list again when it has left. Names are
// random, so few lists are needed.
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
		case n.Stat.Czxid > e.round.before: // the member of another library has entered again under the same name
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

// leave returns the members in others that have not left. If all have left, it deletes
// ready; done reports that nothing more has to be done.
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

// end deletes ready if it exists and the round is the latest.
func (e *Entry) end(ctx context.Context, ep *session.Epoch, children []string) (done bool, err error) {
	if !slices.Contains(children, e.double.layout.ready()) {
		return true, nil
	}
	_, err = ep.Txn(ctx, e.double.cleanUpOps(e.round.version)...)
	if errors.Is(err, session.ErrUnknown) && ctx.Err() == nil {
		return false, ep.Err() // list again, in the next epoch if this one has ended
	}
	if refusal.IsConflict(err) {
		err = nil
	}
	return true, err
}
