package tasks

import (
	"context"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/recipe/view"
	"github.com/zkrecipes/zkrecipes/session"
)

// Ticket identifies a submitted task. It holds no state and may be used by several
// goroutines.
type Ticket[Out any] struct {
	core *pool
	out  codec.Codec[Out]
	id   string
	// created distinguishes the task from others of the same name; 0 if not known.
	created session.Zxid
}

// ID returns the task's name, for example task-0000000000.
func (t *Ticket[Out]) ID() string { return t.id }

// Wait blocks until the task is finished and returns its result. If the task
// failed, the error is a *TaskError. If it does not exist, or does not exist any
// more, the error is ErrNoTask. If a task was finished by hand and left no result,
// Wait returns the zero Out.
//
// Wait continues across reconnects and the end of a session. It takes two round
// trips, and two more if the task finishes later: it follows the task's children.
func (t *Ticket[Out]) Wait(ctx context.Context) (Out, error) {
	var zero Out
	status, result, err := t.core.await(ctx, t.id, t.created)
	if err != nil {
		return zero, err
	}
	if err := outcome(t.id, status); err != nil || result == nil {
		return zero, err
	}
	out, err := t.out.Decode(result)
	if err != nil {
		return zero, &session.OpError{Package: "tasks", Op: "decode", Path: t.core.paths.result(t.id), Err: err}
	}
	return out, nil
}

// await returns the status of a finished task and its result, nil if it has none.
func (c *pool) await(ctx context.Context, id string, created session.Zxid) (status, result []byte, err error) {
	path := c.paths.task(id)
	fail := func(err error) ([]byte, []byte, error) {
		return nil, nil, &session.OpError{Package: "tasks", Op: "wait for", Path: path, Err: err}
	}
	if err := c.usable("wait for"); err != nil {
		return nil, nil, err
	}
	if _, ok := taskNumber(id); !ok {
		return fail(session.ErrInvalid)
	}
	v, err := view.Open(ctx, c.session, path, view.Options{
		Package: "tasks",
		Depth:   1, Prompt: true, Accept: func(name string) bool { return name == "status" || name == "result" },
	})
	if err != nil {
		return nil, nil, err
	}
	defer v.Close()
	synced := false
	for s, err := range v.Watch(ctx) {
		if err != nil {
			return fail(err)
		}
		if !s.Exists {
			if synced {
				return fail(ErrNoTask)
			}
			// A server that lags behind may not have the task yet.
			if err := c.session.Sync(ctx, path); err != nil {
				return nil, nil, err
			}
			synced = true
			v.Refresh()
			continue
		}
		if created != 0 && s.Root.Stat.Czxid != 0 && s.Root.Stat.Czxid != created {
			return fail(ErrNoTask) // the task was removed, and another one has its name
		}
		status, ok := s.Find("status")
		if !ok {
			continue
		}
		if status.Err != nil {
			return nil, nil, status.Err
		}
		result, ok := s.Find("result")
		if result.Err != nil {
			return nil, nil, result.Err
		}
		if ok && result.Data == nil {
			result.Data = []byte{}
		}
		return status.Data, result.Data, nil
	}
	return fail(context.Cause(ctx))
}
