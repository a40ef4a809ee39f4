package tasks

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
	"github.com/zkrecipes/zkrecipes/internal/recipe/batch"
	"github.com/zkrecipes/zkrecipes/internal/recipe/sequence"
	"github.com/zkrecipes/zkrecipes/session"
)

// observe reads what has changed since the last read. Each part may mark tasks for
// a recheck, which the last part carries out.
func (m *master) observe(ctx context.Context) error {
	for _, part := range []func(context.Context) error{
		m.observeWorkers, m.observeNewTasks, m.observeInboxes, m.observeAssignments, m.recheckOutcomes,
	} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// wakeOn makes w wake the master when it fires, and returns w.
func (m *master) wakeOn(w *session.Watch) *session.Watch {
	if w != nil {
		w.Notify(m.wakeup)
	}
	return w
}

// wake makes the master observe again soon.
func (m *master) wake() {
	select {
	case m.wakeup <- struct{}{}:
	default:
	}
}

// observeWorkers reads which workers are live. At the start of a term it also reads
// which inboxes exist.
func (m *master) observeWorkers(ctx context.Context) error {
	if m.workersWatch != nil && !m.workersWatch.HasFired() {
		return nil
	}
	if m.workersWatch == nil {
		inboxes, err := m.epoch.Children(ctx, m.pool.paths.inboxes())
		if err != nil {
			return err
		}
		for _, id := range inboxes {
			m.workerState(id)
		}
	}
	ids, _, w, err := m.epoch.WatchChildren(ctx, m.pool.paths.workers())
	if err != nil {
		return err
	}
	m.workersWatch = m.wakeOn(w)
	for _, d := range m.state.workers {
		d.live = false
	}
	for _, id := range ids {
		d := m.workerState(id)
		d.live, d.retryAt = true, time.Time{}
		d.pauses.Reset()
	}
	return nil
}

// workerState returns the state of the worker id, and adds it if it is not known.
func (m *master) workerState(id string) *workerState {
	d := m.state.workers[id]
	if d == nil {
		d = &workerState{
			id: id, tasks: make(map[string]*task), extras: make(map[string]struct{}),
			pauses: backoff.New(firstRetryPause, longestRetryPause, 0),
		}
		m.state.workers[id] = d
	}
	return d
}

// maxProbes is the largest number of new tasks that are read by name. If there are
// more, a listing of all tasks does not take much longer.
const maxProbes = 1000

// observeNewTasks finds new tasks. Their names follow from the number of children
// created so far, which the Stat of their parent gives. So the listing of all
// tasks, most of which are usually finished, is read only once.
func (m *master) observeNewTasks(ctx context.Context) error {
	if m.tasksWatch != nil && !m.tasksWatch.HasFired() {
		return nil
	}
	if m.tasksWatch == nil {
		return m.listTasks(ctx)
	}
	nodes, err := m.epoch.Stats(ctx, m.pool.paths.tasks())
	if err == nil {
		err = nodes[0].Err
	}
	if err != nil {
		return err
	}
	st := nodes[0].Stat
	// DoubleCount counts every child twice, and it may have wrapped around.
	created := (sequence.DoubleCount(st) - 2*uint32(m.next)) / 2
	if created > maxProbes || m.next+int32(created) == sequence.Last {
		return m.listTasks(ctx)
	}
	var names, paths []string
	for i := range int32(created) {
		names = append(names, taskName(m.next+i))
		paths = append(paths, m.pool.paths.task(names[i]))
	}
	probes, err := m.epoch.Stats(ctx, paths...)
	if err != nil {
		return err
	}
	found := 0
	for i, p := range probes {
		if p.Err == nil {
			found++
			m.addSubmitted(names[i], p.Stat.Czxid)
		}
	}
	if created > 0 && found == 0 {
		return m.listTasks(ctx) // these nodes were not tasks, or the numbers have jumped by 2^31
	}
	m.next += int32(created)
	w, err := m.epoch.WatchChildrenSince(ctx, m.pool.paths.tasks(), st.Pzxid)
	m.tasksWatch = m.wakeOn(w)
	return err
}

// addSubmitted adds a task that was just submitted.
func (m *master) addSubmitted(name string, created session.Zxid) {
	if _, over := m.state.finishedNames[name]; over || m.state.tasks[name] != nil {
		return
	}
	t := m.state.taskNamed(name)
	t.created = created
	m.state.enqueue(t, time.Now())
}

// listTasks lists all tasks.
func (m *master) listTasks(ctx context.Context) error {
	names, st, w, err := m.epoch.WatchChildren(ctx, m.pool.paths.tasks())
	if err != nil {
		return err
	}
	m.tasksWatch = m.wakeOn(w)
	m.next = sequence.Created(st) // except for the highest bit
	names = slices.DeleteFunc(names, func(name string) bool { _, ok := taskNumber(name); return !ok })
	slices.SortFunc(names, byNumber)
	if len(names) > 0 {
		last, _ := taskNumber(names[len(names)-1])
		ended := m.next == sequence.Last && sequence.PastEnd(last) // the count stays at the last number
		if other := m.next ^ -1<<31; !ended && uint32(other-last) < uint32(m.next-last) {
			m.next = other
		}
	}
	for _, name := range names {
		if _, over := m.state.finishedNames[name]; (!over || isLastNumber(name)) && m.state.tasks[name] == nil {
			m.state.markForRecheck(m.state.taskNamed(name))
		}
	}
	return nil
}

// observeInboxes reads which workers have an inbox and how many tasks each takes.
// It creates missing inboxes of live workers.
func (m *master) observeInboxes(ctx context.Context) error {
	for range 2 {
		var workers []*workerState
		var paths []string
		for _, d := range m.state.workers {
			if !d.hasInbox || (d.dataWatch == nil || d.dataWatch.HasFired()) {
				workers = append(workers, d)
				paths = append(paths, m.pool.paths.inbox(d.id))
			}
		}
		nodes, err := m.epoch.WatchNodes(ctx, paths...)
		if err != nil {
			return err
		}
		for i, n := range nodes {
			workers[i].dataWatch = m.wakeOn(n.Watch)
		}
		var missing []batch.Write
		for i, n := range nodes {
			d := workers[i]
			if n.Err != nil && !errors.Is(n.Err, session.ErrNoNode) {
				return n.Err
			}
			d.hasInbox = n.Err == nil
			d.capacity, d.native = capacity(n.Data)
			if errors.Is(n.Err, session.ErrNoNode) {
				m.inboxGone(d)
				if d.live {
					var inbox batch.Write
					inbox.Check(m.pool.paths.worker(d.id), session.AnyVersion)
					inbox.Create(n.Path, nil)
					missing = append(missing, inbox)
				} else {
					delete(m.state.workers, d.id)
				}
			}
		}
		if missing == nil {
			return nil
		}
		if _, err := m.apply(ctx, missing); err != nil { // the worker creates its inbox, too
			return err
		}
	}
	return nil
}

// inboxGone records that an inbox was deleted with everything in it.
func (m *master) inboxGone(d *workerState) {
	d.close()
	for _, t := range d.tasks {
		t.worker = nil
		m.state.markForRecheck(t)
	}
	clear(d.tasks)
	clear(d.extras)
}

// observeAssignments reads which tasks have been settled, and which were assigned
// by another client.
func (m *master) observeAssignments(ctx context.Context) error {
	var workers []*workerState
	var paths []string
	for _, d := range m.state.workers {
		if d.hasInbox && (d.listWatch == nil || d.listWatch.HasFired()) {
			workers = append(workers, d)
			paths = append(paths, m.pool.paths.inbox(d.id))
		}
	}
	listings, err := m.epoch.WatchListings(ctx, paths...)
	if err != nil {
		return err
	}
	for i, l := range listings {
		workers[i].listWatch = m.wakeOn(l.Watch)
	}
	for i, l := range listings { // removed assignments first, since a task may be in another inbox now
		d := workers[i]
		switch {
		case errors.Is(l.Err, session.ErrNoNode):
			d.hasInbox = false
			m.inboxGone(d)
			continue
		case l.Err != nil:
			return l.Err // the inbox may hold tasks, which must not be assigned again
		}
		for name, t := range d.tasks {
			if !slices.Contains(l.Names, name) {
				delete(d.tasks, name)
				t.worker = nil
				m.state.markForRecheck(t)
			}
		}
		clear(d.extras)
	}
	for i, l := range listings {
		for _, name := range l.Names {
			if _, ok := taskNumber(name); ok && l.Err == nil {
				m.noteAssignment(workers[i], name)
			}
		}
	}
	return m.watchStatuses(ctx)
}

// noteAssignment records an assignment that was found in an inbox.
func (m *master) noteAssignment(d *workerState, name string) {
	t := m.state.tasks[name]
	switch {
	case t == nil:
		t = m.state.taskNamed(name)
		m.state.markForRecheck(t) // it may be finished
	case t.worker == d:
		return
	case t.worker != nil: // assigned twice, by another client
		d.extras[name] = struct{}{}
		return
	}
	m.state.dequeue(t)
	t.worker = d
	d.tasks[name] = t
}

// watchStatuses watches the statuses of tasks whose workers are not programs that
// use this package. A status written by hand does not remove the assignment from
// the inbox.
func (m *master) watchStatuses(ctx context.Context) error {
	for _, d := range m.state.workers {
		for _, t := range d.tasks {
			if d.native || t.watch != nil && !t.watch.HasFired() {
				continue
			}
			_, exists, w, err := m.epoch.WatchExists(ctx, m.pool.paths.status(t.name))
			if err != nil {
				return err
			}
			if exists {
				w.Close()
				w = nil
				m.state.markForRecheck(t)
			}
			t.watch = m.wakeOn(w)
		}
	}
	return nil
}

// maxPipelined is the largest number of nodes that are read at once.
const maxPipelined = 500

// recheckOutcomes reads which tasks in toRecheck are finished. The others become
// waiting or delayed, unless they are assigned.
func (m *master) recheckOutcomes(ctx context.Context) error {
	recheck := m.state.toRecheck
	m.state.toRecheck = nil
	for part := range slices.Chunk(recheck, maxPipelined) {
		statuses, err := m.epoch.Stats(ctx, pathsOf(part, m.pool.paths.status)...)
		if err != nil {
			return err
		}
		var unfinished []*task
		for i, t := range part {
			t.marked = false
			switch err := statuses[i].Err; {
			case err == nil:
				m.drop(t)
				m.state.finish(t.name, statuses[i].Stat.Ctime)
			case errors.Is(err, session.ErrNoNode):
				unfinished = append(unfinished, t)
			default:
				return err
			}
		}
		if err := m.readHistories(ctx, unfinished); err != nil {
			return err
		}
	}
	return nil
}

// readHistories reads the failed attempts of tasks that are not finished, and
// forgets tasks whose node does not exist.
func (m *master) readHistories(ctx context.Context, ts []*task) error {
	nodes, err := m.epoch.Stats(ctx, pathsOf(ts, m.pool.paths.task)...)
	if err != nil {
		return err
	}
	attempts, err := m.epoch.Nodes(ctx, pathsOf(ts, m.pool.paths.attempts)...)
	if err != nil {
		return err
	}
	now := time.Now()
	for i, t := range ts {
		switch err := nodes[i].Err; {
		case errors.Is(err, session.ErrNoNode):
			m.drop(t)
			continue
		case err != nil:
			return err
		}
		t.created = nodes[i].Stat.Czxid
		h := readHistory(attempts[i])
		if h.version != t.history.version {
			t.due = now.Add(h.Pause)
		}
		t.history = h
		if t.worker == nil {
			m.state.enqueue(t, now)
		}
	}
	return nil
}

// drop removes a task, and schedules the deletion of an assignment that still
// exists.
func (m *master) drop(t *task) {
	if t.worker != nil {
		t.worker.extras[t.name] = struct{}{}
	}
	m.state.remove(t)
}

func pathsOf(ts []*task, path func(string) string) []string {
	ps := make([]string, len(ts))
	for i, t := range ts {
		ps[i] = path(t.name)
	}
	return ps
}
