package inspect

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/zkrecipes/zkrecipes/session"
)

func fillTasks(ctx context.Context, f *filler) error {
	f.out.Tasks = &Tasks{}
	var err error
	if f.node.has("master") {
		if f.out.Owners, err = f.participants(ctx, f.node.path, []string{"master"}, "masters"); err != nil {
			return err
		}
		heldSinceCreation(f.out.Owners)
	}
	f.out.OwnerCount = len(f.out.Owners)
	workers, err := f.children(ctx, "workers")
	if err != nil {
		return err
	}
	if f.out.Members, err = f.participants(ctx, session.Join(f.node.path, "workers"), workers.names, "workers"); err != nil {
		return err
	}
	f.out.MemberCount = len(workers.names)
	for i := range f.out.Members {
		m := &f.out.Members[i]
		_, id := session.Split(m.Node)
		m.address(id)
	}
	running, err := f.fillInboxes(ctx, workers.names)
	if err != nil {
		return err
	}
	if err := f.fillTaskStates(ctx, running); err != nil {
		return err
	}
	f.findIdlePool()
	return nil
}

// assignment is a task in an inbox.
type assignment struct{ claimed bool }

// fillInboxes reads the inboxes of the workers.
func (f *filler) fillInboxes(ctx context.Context, alive []string) (map[string]assignment, error) {
	assigned := make(map[string]assignment)
	ids, err := f.children(ctx, "assign")
	if err != nil {
		return nil, err
	}
	dir := session.Join(f.node.path, "assign")
	names := f.bounded(ids.names, "inboxes")
	inboxes, err := f.reader.list(ctx, join(dir, names))
	if err != nil {
		return nil, err
	}
	for i, id := range names {
		load := WorkerLoad{ID: id, Alive: slices.Contains(alive, id)}
		inbox := session.Join(dir, id)
		tasks := f.bounded(inboxes[i].names, "assignments")
		claims, err := f.reader.list(ctx, join(inbox, tasks))
		if err != nil {
			return nil, err
		}
		for j, task := range tasks {
			claimed := slices.Contains(claims[j].names, "claim")
			assigned[task] = assignment{claimed}
			load.Assigned++
			if claimed {
				load.Running++
			}
		}
		if load.Assigned > 0 || load.Alive {
			f.out.Tasks.Workers = append(f.out.Tasks.Workers, load)
		}
	}
	return assigned, nil
}

// fillTaskStates counts the tasks by state.
func (f *filler) fillTaskStates(ctx context.Context, assigned map[string]assignment) error {
	t := f.out.Tasks
	l, err := f.children(ctx, "tasks")
	if err != nil {
		return err
	}
	var names []string
	for _, name := range l.names {
		if _, _, ok := splitSequence(name); ok {
			names = append(names, name)
		}
	}
	t.Total = len(names)
	if limit := f.reader.limits.Participants; len(names) > limit {
		f.out.LeftOut = append(f.out.LeftOut, fmt.Sprintf("the states of the oldest %d of %d tasks", len(names)-limit, len(names)))
		names = names[len(names)-limit:]
	}
	dir := session.Join(f.node.path, "tasks")
	states := make([]string, len(names))
	for i, name := range names {
		states[i] = session.Join(dir, name) + "/status"
	}
	ns, err := f.reader.peek(ctx, states)
	if err != nil {
		return err
	}
	status := make(map[string]string)
	for _, n := range ns {
		if n.Err == nil {
			task, _ := session.Split(n.Path)
			_, name := session.Split(task)
			status[name] = firstLine(n.Data)
		}
	}
	var failure, failed string
	for _, name := range names {
		s, finished := status[name]
		a, isAssigned := assigned[name]
		switch {
		case finished && s == "done":
			t.Done++
		case finished:
			t.Failed++
			failure, failed = s, name
		case a.claimed:
			t.Running++
		case isAssigned:
			t.Assigned++
		default:
			t.Pending++
		}
	}
	if t.Failed > 0 {
		f.out.add(CauseFailedTasks, "tasks/"+failed, fmt.Sprintf("%s failed; the last one, %s: %s", count(t.Failed, "task has", "tasks have"), failed, strings.TrimPrefix(failure, "failed: ")))
	}
	f.findSequenceEnd(l.stat)
	return nil
}

// findIdlePool adds findings if open tasks are not assigned or not executed.
func (f *filler) findIdlePool() {
	t := f.out.Tasks
	switch {
	case t.Pending > 0 && len(f.out.Owners) == 0:
		f.out.add(CauseNoMaster, "master", fmt.Sprintf("there is no master: %s not assigned", count(t.Pending, "task is", "tasks are")))
	case t.Pending+t.Assigned > 0 && f.out.MemberCount == 0:
		f.out.add(CauseNoWorkers, "workers", fmt.Sprintf("there are no workers: %s", count(t.Pending+t.Assigned, "task waits", "tasks wait")))
	}
}
