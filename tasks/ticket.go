package tasks

import (
	"context"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/recipe/view"
	"github.com/zkrecipes/zkrecipes/session"
)

// Ticket stands for a task that was submitted. It holds no state, and may be used by
// many goroutines.
type Ticket[Out any] struct {
	core *pool
	out  codec.Codec[Out]
	id   string
	// created tells the task from others of the same name; 0 if that is not known.
	created session.Zxid
}

// ID is the task's name, task-0000000000, say.
func (t *Ticket[Out]) ID() string { return t.id }

// Wait waits until the task is finished, and returns its result. A *TaskError says
// that it has failed, ErrNoTask that there is no such task, or none any more. The
// result of a task that somebody has done by hand, and left none, is the zero Out.
//
// A wait survives reconnects and the end of a session. It takes two round trips, and
// two more when the task is finished later: it follows the task's children.
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

// await returns the status of a finished task, and its result, nil if it has none.
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
			// A server that lags behind may not know of it yet.
			if err := c.session.Sync(ctx, path); err != nil {
				return nil, nil, err
			}
			synced = true
			v.Refresh()
			continue
		}
		if created != 0 && s.Root.Stat.Czxid != 0 && s.Root.Stat.Czxid != created {
			return fail(ErrNoTask) // it has been removed, and another has its name
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
