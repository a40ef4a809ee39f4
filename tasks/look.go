package tasks

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/sequence"
	"github.com/zkrecipes/zkrecipes/session"
)

// look reads what has changed since it was read last. Each part may raise doubts
// about tasks, which the last one settles.
func (m *master) look(ctx context.Context) error {
	for _, part := range []func(context.Context) error{
		m.lookForWorkers, m.lookForTasks, m.lookAtInboxes, m.lookIntoInboxes, m.lookAtOutcomes,
	} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// listen has a watch ring the bell.
func (m *master) listen(w *session.Watch) *session.Watch {
	if w != nil {
		w.Notify(m.bell)
	}
	return w
}

// ring has the master look again soon.
func (m *master) ring() {
	select {
	case m.bell <- struct{}{}:
	default:
	}
}

// lookForWorkers learns who lives, and at first, who has left something behind.
func (m *master) lookForWorkers(ctx context.Context) error {
	if !stale(m.workersWatch) {
		return nil
	}
	if m.workersWatch == nil {
		left, err := m.epoch.Children(ctx, m.inboxes())
		if err != nil {
			return err
		}
		for _, id := range left {
			m.desk(id)
		}
	}
	ids, _, w, err := m.epoch.WatchChildren(ctx, m.core.workers())
	if err != nil {
		return err
	}
	m.workersWatch = m.listen(w)
	for _, d := range m.desks {
		d.live = false
	}
	for _, id := range ids {
		d := m.desk(id)
		d.live, d.again, d.pause = true, time.Time{}, 0
	}
	return nil
}

func (m *master) desk(id string) *desk {
	d := m.desks[id]
	if d == nil {
		d = &desk{id: id, tasks: make(map[string]*task), extra: make(map[string]struct{})}
		m.desks[id] = d
	}
	return d
}

// maxProbes is how many new tasks are asked for by their names. If there are more,
// a list of all tasks is not much longer.
const maxProbes = 1000

// lookForTasks learns of new tasks. Their names follow from how many children have
// been created so far, of which the Stat of their parent tells, and so the list of
// all children, of which most are finished as a rule, is read but once.
func (m *master) lookForTasks(ctx context.Context) error {
	if !stale(m.tasksWatch) {
		return nil
	}
	if m.tasksWatch == nil {
		return m.listTasks(ctx)
	}
	nodes, err := m.epoch.Stats(ctx, m.core.tasks())
	if err == nil {
		err = nodes[0].Err
	}
	if err != nil {
		return err
	}
	st := nodes[0].Stat
	// Half of it, since the sum counts everything twice; and it may have wrapped.
	created := (sequence.DoubleCount(st) - 2*uint32(m.next)) / 2
	if created > maxProbes || m.next+int32(created) == sequence.Last {
		return m.listTasks(ctx)
	}
	var names, paths []string
	for i := range int32(created) {
		names = append(names, taskName(m.next+i))
		paths = append(paths, m.core.task(names[i]))
	}
	probes, err := m.epoch.Stats(ctx, paths...)
	if err != nil {
		return err
	}
	found := 0
	for i, p := range probes {
		if p.Err == nil {
			found++
			m.discover(names[i], p.Stat.Czxid)
		}
	}
	if created > 0 && found == 0 {
		return m.listTasks(ctx) // these were others' nodes; or the numbers have jumped by 2^31
	}
	m.next += int32(created)
	w, err := m.epoch.WatchChildrenSince(ctx, m.core.tasks(), st.Pzxid)
	m.tasksWatch = m.listen(w)
	return err
}

// discover adds a task that has just been submitted.
func (m *master) discover(name string, created session.Zxid) {
	if _, over := m.over[name]; over || m.tasks[name] != nil {
		return
	}
	t := m.know(name)
	t.created = created
	m.enqueue(t, time.Now())
}

// listTasks learns of all tasks.
func (m *master) listTasks(ctx context.Context) error {
	names, st, w, err := m.epoch.WatchChildren(ctx, m.core.tasks())
	if err != nil {
		return err
	}
	m.tasksWatch = m.listen(w)
	m.next = sequence.Created(st) // but for the uppermost bit
	names = slices.DeleteFunc(names, func(name string) bool { _, ok := taskNumber(name); return !ok })
	slices.SortFunc(names, byNumber)
	if len(names) > 0 {
		last, _ := taskNumber(names[len(names)-1])
		ended := m.next == sequence.Last && sequence.PastEnd(last) // where the count stays
		if other := m.next ^ -1<<31; !ended && uint32(other-last) < uint32(m.next-last) {
			m.next = other
		}
	}
	for _, name := range names {
		if _, over := m.over[name]; (!over || reused(name)) && m.tasks[name] == nil {
			m.doubt(m.know(name))
		}
	}
	return nil
}

// lookAtInboxes learns whether workers have inboxes, and how much fits in.
func (m *master) lookAtInboxes(ctx context.Context) error {
	for range 2 {
		var desks []*desk
		var paths []string
		for _, d := range m.desks {
			if !d.open || stale(d.dataWatch) {
				desks = append(desks, d)
				paths = append(paths, m.inbox(d.id))
			}
		}
		nodes, err := m.epoch.WatchNodes(ctx, paths...)
		if err != nil {
			return err
		}
		for i, n := range nodes {
			desks[i].dataWatch = m.listen(n.Watch)
		}
		var missing [][]session.Op
		for i, n := range nodes {
			d := desks[i]
			if n.Err != nil && !errors.Is(n.Err, session.ErrNoNode) {
				return n.Err
			}
			d.open = n.Err == nil
			d.capacity, d.ours = capacity(n.Data)
			if errors.Is(n.Err, session.ErrNoNode) {
				m.clear(d)
				if d.live {
					missing = append(missing, []session.Op{session.OpCreate(n.Path, nil)})
				} else {
					delete(m.desks, d.id)
				}
			}
		}
		if missing == nil {
			return nil
		}
		if _, err := m.apply(ctx, missing); err != nil { // the worker makes its own, too
			return err
		}
	}
	return nil
}

// clear takes note that an inbox, and all that was in it, has gone.
func (m *master) clear(d *desk) {
	d.close()
	for _, t := range d.tasks {
		t.desk = nil
		m.doubt(t)
	}
	clear(d.tasks)
	clear(d.extra)
}

// lookIntoInboxes learns which tasks have been settled, and of those that were
// assigned by somebody else.
func (m *master) lookIntoInboxes(ctx context.Context) error {
	var desks []*desk
	var paths []string
	for _, d := range m.desks {
		if d.open && stale(d.listWatch) {
			desks = append(desks, d)
			paths = append(paths, m.inbox(d.id))
		}
	}
	listings, err := m.epoch.WatchListings(ctx, paths...)
	if err != nil {
		return err
	}
	for i, l := range listings {
		desks[i].listWatch = m.listen(l.Watch)
	}
	for i, l := range listings { // what has gone first, since it may be in another now
		d := desks[i]
		switch {
		case errors.Is(l.Err, session.ErrNoNode):
			d.open = false
			m.clear(d)
			continue
		case l.Err != nil:
			return l.Err // there may be tasks in it, which must not be assigned again
		}
		for name, t := range d.tasks {
			if !slices.Contains(l.Names, name) {
				delete(d.tasks, name)
				t.desk = nil
				m.doubt(t)
			}
		}
		clear(d.extra)
	}
	for i, l := range listings {
		for _, name := range l.Names {
			if _, ok := taskNumber(name); ok && l.Err == nil {
				m.find(desks[i], name)
			}
		}
	}
	return m.lookForStatuses(ctx)
}

// find takes note of an assignment.
func (m *master) find(d *desk, name string) {
	t := m.tasks[name]
	switch {
	case t == nil:
		t = m.know(name)
		m.doubt(t) // it may be one that is finished
	case t.desk == d:
		return
	case t.desk != nil: // somebody has assigned it twice
		d.extra[name] = struct{}{}
		return
	}
	m.unlist(t)
	t.desk = d
	d.tasks[name] = t
}

// lookForStatuses watches for those that are written by hand: they do not clear
// their inbox.
func (m *master) lookForStatuses(ctx context.Context) error {
	for _, d := range m.desks {
		for _, t := range d.tasks {
			if d.ours || !stale(t.watch) {
				continue
			}
			_, exists, w, err := m.epoch.WatchExists(ctx, m.status(t.name))
			if err != nil {
				return err
			}
			if exists {
				w.Close()
				w = nil
				m.doubt(t)
			}
			t.watch = m.listen(w)
		}
	}
	return nil
}

// inOneFlight is how many nodes are read at once.
const inOneFlight = 500

// lookAtOutcomes learns which of the doubtful tasks are finished. The others wait,
// unless they are assigned.
func (m *master) lookAtOutcomes(ctx context.Context) error {
	doubtful := m.doubtful
	m.doubtful = nil
	for part := range slices.Chunk(doubtful, inOneFlight) {
		statuses, err := m.epoch.Stats(ctx, paths(part, m.status)...)
		if err != nil {
			return err
		}
		var open []*task
		for i, t := range part {
			t.doubted = false
			switch err := statuses[i].Err; {
			case err == nil:
				m.dismiss(t)
				m.finish(t.name, statuses[i].Stat.Ctime)
			case errors.Is(err, session.ErrNoNode):
				open = append(open, t)
			default:
				return err
			}
		}
		if err := m.lookAtHistories(ctx, open); err != nil {
			return err
		}
	}
	return nil
}

// lookAtHistories learns what has been tried of tasks that are not finished, and
// whether there are such tasks at all.
func (m *master) lookAtHistories(ctx context.Context, ts []*task) error {
	nodes, err := m.epoch.Stats(ctx, paths(ts, m.core.task)...)
	if err != nil {
		return err
	}
	attempts, err := m.epoch.Nodes(ctx, paths(ts, m.attempts)...)
	if err != nil {
		return err
	}
	now := time.Now()
	for i, t := range ts {
		switch err := nodes[i].Err; {
		case errors.Is(err, session.ErrNoNode):
			m.dismiss(t)
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
		if t.desk == nil {
			m.enqueue(t, now)
		}
	}
	return nil
}

// dismiss forgets a task, and has an assignment removed that is still there.
func (m *master) dismiss(t *task) {
	if t.desk != nil {
		t.desk.extra[t.name] = struct{}{}
	}
	m.forget(t)
}

func paths(ts []*task, path func(string) string) []string {
	ps := make([]string, len(ts))
	for i, t := range ts {
		ps[i] = path(t.name)
	}
	return ps
}
