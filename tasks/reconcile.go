package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// reconcile does what follows from what the master knows.
func (m *master) reconcile(ctx context.Context) error {
	m.state.releaseDelayed(time.Now())
	for _, part := range []func(context.Context) error{m.clearGoneWorkers, m.removeExtras, m.assign, m.removeFinished} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// due is when there will be something to do if nothing changes; zero for never.
func (m *master) due() time.Time {
	var first time.Time
	sooner := func(at time.Time) {
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	for _, t := range m.state.delayed {
		sooner(t.due)
	}
	for _, d := range m.state.workers {
		if !d.retryAt.IsZero() {
			sooner(d.retryAt)
		}
	}
	if len(m.state.finished) > 0 {
		at := time.Now() // the servers' time is not known
		if !m.clock.server.IsZero() {
			at = m.clock.local(m.state.finished[0].at.Add(m.opts.keepFor))
		}
		sooner(at)
	}
	return first
}

// batch is how many writes go into one transaction.
const batch = 50

// apply carries out writes, each of which happens as a whole, many in one
// transaction. The first result is the error of each; the second ends the term.
func (m *master) apply(ctx context.Context, writes [][]session.Op) ([]error, error) {
	var errs []error
	for part := range slices.Chunk(writes, batch) {
		err := m.txn(ctx, slices.Concat(part...)...)
		if err == nil || len(part) == 1 {
			for range part {
				errs = append(errs, err)
			}
		} else if !fatal(err) { // one of them, so each alone
			for _, ops := range part {
				err = m.txn(ctx, ops...)
				if fatal(err) {
					break
				}
				errs = append(errs, err)
			}
		}
		if fatal(err) {
			return nil, err
		}
	}
	return errs, nil
}

// fatal tells whether an error of a transaction is not about its writes, but says
// that this term is over, or that it is not known what is there now.
func fatal(err error) bool {
	return err != nil && !errors.Is(err, session.ErrNoNode) && !errors.Is(err, session.ErrNodeExists) && !errors.Is(err, session.ErrBadVersion) &&
		!errors.Is(err, session.ErrNotEmpty) && !errors.Is(err, session.ErrNoAuth)
}

// How often a desk that cannot be cleared is tried again: because the worker's
// session lives and holds its claims, or because of nodes that are nobody's.
const (
	firstRetryPause   = 500 * time.Millisecond
	longestRetryPause = 30 * time.Second
)

func (d *workerState) postpone(now time.Time) {
	d.retryAt = now.Add(d.pauses.Next())
}

// clearGoneWorkers takes tasks back from workers that have gone, and removes their empty
// inboxes.
func (m *master) clearGoneWorkers(ctx context.Context) error {
	now := time.Now()
	for id, d := range m.state.workers {
		if d.live || !d.hasInbox || d.retryAt.After(now) {
			continue
		}
		d.retryAt = time.Time{}
		if err := m.reclaim(ctx, d); err != nil {
			return err
		}
		if err := m.removeExtrasOf(ctx, d); err != nil {
			return err
		}
		if len(d.tasks) > 0 {
			d.postpone(now)
			continue
		}
		errs, err := m.apply(ctx, [][]session.Op{{session.OpDelete(m.pool.paths.inbox(id), session.AnyVersion)}})
		if err != nil {
			return err
		}
		if err := errs[0]; err == nil || errors.Is(err, session.ErrNoNode) {
			m.inboxGone(d)
			delete(m.state.workers, id)
		} else {
			d.postpone(now)
		}
	}
	return nil
}

// reclaim takes tasks back from a worker that has gone. What it had begun was an
// attempt. A task with a claim in it stays where it is, and so does one of which
// it is not certain that it has been taken back.
func (m *master) reclaim(ctx context.Context, d *workerState) error {
	var ts []*task
	for _, t := range d.tasks {
		ts = append(ts, t)
	}
	assignments, err := m.epoch.Stats(ctx, pathsOf(ts, func(name string) string { return m.pool.paths.assignment(d.id, name) })...)
	if err != nil {
		return err
	}
	attempts, err := m.epoch.Nodes(ctx, pathsOf(ts, m.pool.paths.attempts)...)
	if err != nil {
		return err
	}
	writes := make([][]session.Op, len(ts))
	for i, t := range ts {
		claims := assignments[i].Stat.Version
		h := readHistory(attempts[i])
		t.history = h
		writes[i] = []session.Op{session.OpDelete(assignments[i].Path, claims)}
		if claims > 0 {
			n := h.Attempts + int(claims)
			if n >= m.pool.opts.maxAttempts {
				writes[i] = append(writes[i], session.OpCreate(m.pool.paths.status(t.name), failure(exhausted(n, h.Error))))
			} else {
				writes[i] = append(writes[i], h.op(m.pool.paths.attempts(t.name), history{Attempts: n, Error: fmt.Sprintf("worker %s has died", d.id)}))
			}
		}
	}
	errs, err := m.apply(ctx, writes)
	if err != nil {
		return err
	}
	for i, t := range ts {
		m.state.markForRecheck(t)
		if errs[i] == nil {
			delete(d.tasks, t.name)
			t.worker = nil
			continue
		}
		// It may still be there: the worker may be back, and at it again. A new list
		// of the inbox tells.
		d.listWatch.Close()
		d.listWatch = nil
	}
	return m.recheckOutcomes(ctx)
}

// removeExtras removes assignments of tasks that are finished, or are another
// worker's.
func (m *master) removeExtras(ctx context.Context) error {
	for _, d := range m.state.workers {
		if err := m.removeExtrasOf(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

func (m *master) removeExtrasOf(ctx context.Context, d *workerState) error {
	var writes [][]session.Op
	for name := range d.extras {
		writes = append(writes, []session.Op{session.OpDelete(m.pool.paths.assignment(d.id, name), session.AnyVersion)})
	}
	clear(d.extras) // one with a claim in it is its worker's to remove
	_, err := m.apply(ctx, writes)
	return err
}

// placement is a task that goes to a worker.
type placement struct {
	task   *task
	worker *workerState
}

// assign gives tasks that wait to workers that have room for them.
func (m *master) assign(ctx context.Context) error {
	places, err := m.planAssignments(ctx)
	if err != nil {
		return err
	}
	writes := make([][]session.Op, len(places))
	for i, p := range places {
		writes[i] = []session.Op{
			session.OpCheck(m.pool.paths.worker(p.worker.id), session.AnyVersion),
			session.OpCheck(m.pool.paths.task(p.task.name), session.AnyVersion),
			session.OpCreate(m.pool.paths.assignment(p.worker.id, p.task.name), nil),
		}
	}
	errs, err := m.apply(ctx, writes)
	if err != nil {
		return err
	}
	for i, p := range places {
		if errs[i] == nil {
			p.task.worker, p.task.data = p.worker, nil
			p.worker.tasks[p.task.name] = p.task
			continue
		}
		// The worker, its inbox or the task has just gone, or somebody else has
		// assigned it.
		p.task.due = time.Now().Add(afterConflict)
		m.state.markForRecheck(p.task)
	}
	if len(m.state.toRecheck) > 0 {
		m.wake()
	}
	return nil
}

// afterConflict is how long to leave a task alone that could not be assigned.
const afterConflict = 100 * time.Millisecond

// planAssignments takes tasks that can be assigned out of those that wait.
func (m *master) planAssignments(ctx context.Context) ([]placement, error) {
	workers := m.state.liveWorkers()
	room := 0
	for _, w := range workers {
		room += max(0, w.Capacity-w.Load)
	}
	var places []placement
	var rest []*task
	for i, t := range m.state.waiting {
		if room == 0 {
			rest = append(rest, m.state.waiting[i:]...)
			break
		}
		if m.opts.strategy.data && t.data == nil {
			if err := m.readData(ctx, m.state.waiting[i:min(i+maxPipelined, len(m.state.waiting))]); err != nil {
				return nil, err
			}
		}
		k := m.opts.strategy.pick(PendingTask{t.name, t.data}, workers)
		if k < 0 || k >= len(workers) || workers[k].full() {
			rest = append(rest, t)
			continue
		}
		workers[k].Load++
		room--
		places = append(places, placement{t, m.state.workers[workers[k].ID]})
	}
	m.state.waiting = rest
	return places, nil
}

// readData reads what strategies want to see.
func (m *master) readData(ctx context.Context, ts []*task) error {
	nodes, err := m.epoch.Nodes(ctx, pathsOf(ts, m.pool.paths.task)...)
	if err != nil {
		return err
	}
	for i, t := range ts {
		if t.data = nodes[i].Data; t.data == nil { // and if it has gone, the assignment will tell
			t.data = []byte{}
		}
	}
	return nil
}
