package tasks

import (
	"errors"
	"fmt"

	"github.com/zkrecipes/zkrecipes/session"
)

// Errors to decide by, with errors.Is.
var (
	// ErrNoTask says that there is no such task: it was never submitted, or it has
	// been finished for so long that it was removed (see Keep).
	ErrNoTask = errors.New("tasks: no such task")
	// ErrWorking says that this session works under the same id already.
	ErrWorking = errors.New("tasks: this session has a worker of this id")
	// ErrTaken says that the worker's node is there, and is no session's.
	ErrTaken = errors.New("tasks: the worker's id is taken")
	// ErrLost is the cause of a handler's context when the claim of its task has
	// ended: with the session, or because somebody has removed it. It wraps the
	// reason. What the handler returns then does not count.
	ErrLost = session.NewError("tasks: claim lost", session.ErrLost)
	// ErrStopped is the cause of a handler's context when Work ends for an error,
	// which it wraps.
	ErrStopped = errors.New("tasks: worker stopped")

	// ErrSettled is the cause of a Task's context after its handler has returned, and
	// after Release.
	ErrSettled = errors.New("tasks: settled")
)

// TaskError says that a task has failed for good.
type TaskError struct {
	ID      string // the task
	Message string // the last handler's error, or why there was none
}

// Error is the message with the task's id.
func (e *TaskError) Error() string { return fmt.Sprintf("tasks: %s failed: %s", e.ID, e.Message) }

// Permanent makes a handler's error one that trying again does not help: the task
// fails with it at once. The message stays the same.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanent{err}
}

type permanent struct{ error }

func (p *permanent) Unwrap() error { return p.error }
