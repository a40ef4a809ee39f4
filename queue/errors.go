package queue

import (
	"errors"

	"github.com/zkrecipes/zkrecipes/session"
)

// Errors to decide by, with errors.Is.
var (
	// ErrEmpty says that there is no item that could be taken now: none at all, or
	// only such as are claimed or not yet due.
	ErrEmpty = errors.New("queue: empty")
	// ErrFull says that a push would exceed WithMaxLen.
	ErrFull = errors.New("queue: full")
	// ErrLost says that a claim ended by itself: with the session, or because
	// somebody removed it. The item may have been handed to somebody else since. It
	// wraps the reason.
	ErrLost = session.NewError("queue: claim lost", session.ErrLost)
	// ErrSettled says that an item has been acknowledged, put back or buried
	// before.
	ErrSettled = errors.New("queue: item already settled")
	// ErrUnsupported says that the queue's layout does not provide for what was
	// asked: a priority, a delay, a claim. Nothing was sent.
	ErrUnsupported = errors.New("queue: not supported by the layout")
	// ErrCorrupt says that the data of a node is not what the layout and the codec
	// make. It wraps the reason.
	ErrCorrupt = errors.New("queue: corrupt item")
)

// fail is the error of an operation on the queue as a whole.
func (st *store) fail(op string, err error) error {
	return &session.OpError{Package: "queue", Op: op, Path: st.path, Err: err}
}

// conflict is the failure of a transaction that a server blames on one of its
// nodes.
type conflict struct {
	op, path string // the operation that failed
	reason   error
}

// conflictOf finds it in err. ok is false for any other error, and so is it when
// the outcome is not known.
func conflictOf(err error) (c conflict, ok bool) {
	var oe *session.OpError
	if !errors.As(err, &oe) || errors.Is(err, session.ErrUnknown) {
		return c, false
	}
	for _, reason := range []error{
		session.ErrNoNode, session.ErrNodeExists, session.ErrBadVersion, session.ErrNotEmpty,
		session.ErrNoAuth, session.ErrInvalidACL, session.ErrQuota,
	} {
		if errors.Is(err, reason) {
			return conflict{oe.Op, oe.Path, reason}, true
		}
	}
	return c, false
}

// refused tells whether it is not what others have done, but what they do not
// allow.
func (c conflict) refused() bool {
	return c.reason == session.ErrNoAuth || c.reason == session.ErrInvalidACL || c.reason == session.ErrQuota
}

// epochEnded tells whether an operation failed because its epoch has ended, and nothing
// is left in the dark by that.
func epochEnded(err error) bool {
	return errors.Is(err, session.ErrExpired) && !errors.Is(err, session.ErrUnknown)
}
