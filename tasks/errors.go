package tasks

import (
	"errors"
	"fmt"

	"github.com/zkrecipes/zkrecipes/session"
)

// Errors to test for with errors.Is.
var (
	// ErrNoTask is returned if the task does not exist: it was never submitted, or
	// it was removed after it finished (see WithRetention). Together with
	// session.ErrUnknown it is returned by Submit if a submitted task has no known id.
	ErrNoTask = errors.New("tasks: no such task")
	// ErrWorking is returned if this session already has a worker of the same id.
	ErrWorking = errors.New("tasks: this session has a worker of this id")
	// ErrTaken is returned if the worker's node is an ownerless node.
	ErrTaken = errors.New("tasks: the worker's id is taken")
	// ErrLost is the cause of a handler's context when the claim of its task was
	// lost: its session ended or came too close to its deadline (see WithStopTime),
	// or the claim's node was deleted. It wraps the reason. The result of the handler
	// is then ignored.
	ErrLost = session.NewError("tasks: claim lost", session.ErrLost)
	// ErrStopped is the cause of a handler's context when Work ends with an error.
	// It wraps that error.
	ErrStopped = errors.New("tasks: worker stopped")

	// ErrSettled is the cause of a Task's context after its handler has returned,
	// and after Release.
	ErrSettled = errors.New("tasks: settled")
)

// TaskError is the failure of a task, which is its final status.
type TaskError struct {
	ID      string // the task
	Message string // the error of the last handler, or why there is none
}

// Error returns the message with the task's id.
func (e *TaskError) Error() string { return fmt.Sprintf("tasks: %s failed: %s", e.ID, e.Message) }

// Permanent marks a handler's error as one that another attempt cannot avoid: the
// task fails with it immediately. The message does not change.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanent{err}
}

type permanent struct{ error }

func (p *permanent) Unwrap() error { return p.error }
