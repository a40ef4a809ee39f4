package queue

import (
	"errors"

	"github.com/zkrecipes/zkrecipes/session"
)

// Errors to test for with errors.Is.
var (
	// ErrEmpty is returned if no item can be taken now: there is none, or all items
	// are claimed or not yet due.
	ErrEmpty = errors.New("queue: empty")
	// ErrFull is returned if a push would exceed WithMaxLen.
	ErrFull = errors.New("queue: full")
	// ErrLost is returned if a claim was lost: its session ended or came too close
	// to its deadline (see WithStopTime), or the claim's node was deleted. Another
	// consumer may have the item since. The error wraps the reason.
	ErrLost = session.NewError("queue: claim lost", session.ErrLost)
	// ErrSettled is returned if an item was already acknowledged, put back or
	// buried.
	ErrSettled = errors.New("queue: item already settled")
	// ErrUnsupported is returned if the queue's layout does not support the
	// request: a priority, a delay, a claim. Nothing was sent.
	ErrUnsupported = errors.New("queue: not supported by the layout")
	// ErrCorrupt is returned if the data of a node cannot be decoded by the layout
	// and the codec. It wraps the reason.
	ErrCorrupt = errors.New("queue: corrupt item")
)

// fail returns the error of an operation on the whole queue.
func (st *store) fail(op string, err error) error {
	return &session.OpError{Package: "queue", Op: op, Path: st.path, Err: err}
}

// epochEnded reports whether an operation failed because its epoch ended, with a
// known outcome.
func epochEnded(err error) bool {
	return errors.Is(err, session.ErrExpired) && !errors.Is(err, session.ErrUnknown)
}
