package tasks

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/zkrecipes/zkrecipes/internal/client/enum"
	"github.com/zkrecipes/zkrecipes/session"
)

// State is the state of a task.
type State uint8

// The states of a task.
const (
	Pending  State = iota // waits to be assigned
	Assigned              // in a worker's inbox
	Running               // claimed by its worker
	Done
	Failed
)

var stateNames = []string{"pending", "assigned", "running", "done", "failed"}

// String returns the state in lower case.
func (s State) String() string { return enum.Name("state", stateNames, s) }

// Info describes a task.
type Info struct {
	ID       string
	State    State
	Worker   string // the worker that it is assigned to
	Attempts int    // how many were begun
	Message  string // of a failed task, or the last error of a task that is tried again
}

// List returns all tasks of the pool, including finished ones, in the order in
// which they were submitted. Each is described as it was at some moment during the
// call. Past the last sequence number, 2147483647, the order is that of creation.
//
// List takes a listing and up to six reads for each task, hundreds of them in one
// round trip.
func (p *Pool[In, Out]) List(ctx context.Context) ([]Info, error) {
	if err := p.pool.usable("list"); err != nil {
		return nil, err
	}
	return session.InEpoch(ctx, p.pool.session, session.OpError{Package: "tasks", Op: "list", Path: p.pool.paths.path}, func(e *session.Epoch) ([]Info, error) { return p.pool.list(ctx, e) })
}

func (c *pool) list(ctx context.Context, e *session.Epoch) ([]Info, error) {
	names, err := e.Children(ctx, c.paths.tasks())
	if errors.Is(err, session.ErrNoNode) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(name string) bool { _, ok := taskNumber(name); return !ok })
	slices.SortFunc(names, byNumber)
	inbox, err := c.assigned(ctx, e)
	if err != nil {
		return nil, err
	}
	all := make([]taskInfo, 0, len(names))
	for part := range slices.Chunk(names, maxPipelined) {
		some, err := c.describe(ctx, e, part, inbox)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	slices.SortStableFunc(all, func(a, b taskInfo) int { return cmp.Compare(a.created, b.created) })
	infos := make([]Info, len(all))
	for i, d := range all {
		infos[i] = d.info
	}
	return infos, nil
}

// assigned returns the worker whose inbox holds each task.
func (c *pool) assigned(ctx context.Context, e *session.Epoch) (map[string]string, error) {
	inbox := make(map[string]string)
	ids, err := e.Children(ctx, c.paths.inboxes())
	if err != nil && !errors.Is(err, session.ErrNoNode) {
		return nil, err
	}
	for _, id := range ids {
		names, err := e.Children(ctx, c.paths.inbox(id))
		if err != nil && !errors.Is(err, session.ErrNoNode) {
			return nil, err
		}
		for _, name := range names {
			inbox[name] = id
		}
	}
	return inbox, nil
}

// taskInfo is an Info with the zxid that created the task.
type taskInfo struct {
	info    Info
	created session.Zxid
}

// describe reads the nodes of some tasks. Tasks that were just removed are left
// out.
func (c *pool) describe(ctx context.Context, e *session.Epoch, names []string, inbox map[string]string) ([]taskInfo, error) {
	var statuses, attempts, tasks, assignments, claims []string
	for _, name := range names {
		id := inbox[name]
		if id == "" {
			id = "-" // an inbox that holds no task
		}
		statuses, attempts, tasks = append(statuses, c.paths.status(name)), append(attempts, c.paths.attempts(name)), append(tasks, c.paths.task(name))
		assignments, claims = append(assignments, c.paths.assignment(id, name)), append(claims, c.paths.claim(id, name))
	}
	stats, err := e.Stats(ctx, slices.Concat(tasks, assignments, claims)...)
	if err != nil {
		return nil, err
	}
	nodes, err := e.Nodes(ctx, slices.Concat(attempts, statuses)...)
	if err != nil {
		return nil, err
	}
	// A task without a status may have been finished and removed since its node was read.
	recheck, err := e.Stats(ctx, tasks...)
	if err != nil {
		return nil, err
	}
	n := len(names)
	var infos []taskInfo
	for i, name := range names {
		task, assignment, claim := stats[i], stats[n+i], stats[2*n+i]
		attempts, status := nodes[i], nodes[n+i]
		if task.Err != nil || status.Err != nil && recheck[i].Err != nil {
			continue
		}
		h := readHistory(attempts)
		info := Info{ID: name, Attempts: h.Attempts, Message: h.Error}
		switch {
		case status.Err == nil:
			info.State, info.Message = Done, ""
			info.Attempts++ // the last attempt is not in the attempts node
			var failed *TaskError
			if errors.As(outcome(name, status.Data), &failed) {
				info.State, info.Message = Failed, failed.Message
			}
		case assignment.Err == nil:
			info.State, info.Worker = Assigned, inbox[name]
			info.Attempts += int(assignment.Stat.Version)
			if claim.Err == nil {
				info.State = Running
			}
		}
		infos = append(infos, taskInfo{info, task.Stat.Czxid})
	}
	return infos, nil
}
