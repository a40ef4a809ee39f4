package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/batch"
	"github.com/zkrecipes/zkrecipes/internal/recipe/refusal"
	"github.com/zkrecipes/zkrecipes/session"
)

// reconcile makes the changes that follow from what the master knows.
func (m *master) reconcile(ctx context.Context) error {
	m.state.releaseDelayed(time.Now())
	for _, part := range []func(context.Context) error{m.clearGoneWorkers, m.removeExtras, m.assign, m.removeFinished} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// due returns when there is something to do if nothing changes until then; zero if
// never.
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
		at := time.Now() // because the servers' time is not known
		if !m.clock.server.IsZero() {
			at = m.clock.local(m.state.finished[0].at.Add(m.opts.keepFor))
		}
		sooner(at)
	}
	return first
}

// txnWrites is the number of writes in one transaction.
const txnWrites = 50

// apply carries out writes, each of them atomically, many in one transaction. It
// returns the error of each write. If the second error is not nil, the term ends.
func (m *master) apply(ctx context.Context, writes []batch.Write) ([]error, error) {
	var end error // why the term ends
	limits := batch.Limits{Writes: txnWrites, Bytes: batch.HalfBuffer(m.pool.session)}
	errs := batch.Apply(writes, limits, func(ops []session.Op) error {
		if end != nil {
			return end
		}
		err := m.txn(ctx, ops...)
		if fatal(err) {
			end = err
		}
		return err
	}, nil)
	return errs, end
}

// fatal reports whether an error of a transaction means that the term ends. An
// error of a single write does not: other clients change the same nodes, and a
// worker may deny access to its inbox. A quota or a bad ACL concerns the whole pool,
// and Master pauses or returns.
func fatal(err error) bool {
	if err == nil {
		return false
	}
	r, ok := refusal.Of(err)
	return !ok || r.Reason == session.ErrQuota || r.Reason == session.ErrInvalidACL
}

// The pauses between attempts to clear an inbox. It cannot be cleared while the
// worker's session lives and owns claims in it, or while it contains foreign nodes.
const (
	firstRetryPause   = 500 * time.Millisecond
	longestRetryPause = 30 * time.Second
)

func (d *workerState) postpone(now time.Time) {
	d.retryAt = now.Add(d.pauses.Next())
}

// clearGoneWorkers takes tasks back from workers that have gone, and deletes their
// empty inboxes.
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
		var removal batch.Write
		removal.Delete(m.pool.paths.inbox(id), session.AnyVersion)
		errs, err := m.apply(ctx, []batch.Write{removal})
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

// reclaim takes tasks back from a worker that has gone. Each claim of a task counts
// as an attempt. A task whose claim still exists stays in the inbox, and so does a
// task that may not have been taken back.
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
	writes := make([]batch.Write, len(ts))
	for i, t := range ts {
		claims := assignments[i].Stat.Version
		h := readHistory(attempts[i])
		t.history = h
		writes[i].Delete(assignments[i].Path, claims)
		if claims > 0 {
			n := h.Attempts + int(claims)
			if n >= m.pool.opts.maxAttempts {
				writes[i].Create(m.pool.paths.status(t.name), failure(exhausted(n, h.Error)))
			} else {
				h.write(&writes[i], m.pool.paths.attempts(t.name), history{Attempts: n, Error: fmt.Sprintf("worker %s died", d.id)})
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
		// The assignment may still exist, and the worker may be live again and run
		// the task. List the inbox again.
		d.listWatch.Close()
		d.listWatch = nil
	}
	return m.recheckOutcomes(ctx)
}

// removeExtras deletes assignments of tasks that are finished or that another
// worker has.
func (m *master) removeExtras(ctx context.Context) error {
	for _, d := range m.state.workers {
		if err := m.removeExtrasOf(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

func (m *master) removeExtrasOf(ctx context.Context, d *workerState) error {
	var writes []batch.Write
	for name := range d.extras {
		var removal batch.Write
		removal.Delete(m.pool.paths.assignment(d.id, name), session.AnyVersion)
		writes = append(writes, removal)
	}
	clear(d.extras) // an assignment with a claim is removed by its worker
	_, err := m.apply(ctx, writes)
	return err
}

// placement is a task and the worker to assign it to.
type placement struct {
	task   *task
	worker *workerState
}

// assign assigns waiting tasks to workers that have free capacity.
func (m *master) assign(ctx context.Context) error {
	placements, err := m.planAssignments(ctx)
	if err != nil {
		return err
	}
	writes := make([]batch.Write, len(placements))
	for i, p := range placements {
		writes[i].Check(m.pool.paths.worker(p.worker.id), session.AnyVersion)
		writes[i].Check(m.pool.paths.task(p.task.name), session.AnyVersion)
		writes[i].Create(m.pool.paths.assignment(p.worker.id, p.task.name), nil)
	}
	errs, err := m.apply(ctx, writes)
	if err != nil {
		return err
	}
	for i, p := range placements {
		if errs[i] == nil {
			p.task.worker, p.task.data = p.worker, nil
			p.worker.tasks[p.task.name] = p.task
			continue
		}
		// The worker, its inbox or the task was just deleted, or another client
		// has assigned the task.
		p.task.due = time.Now().Add(afterConflict)
		m.state.markForRecheck(p.task)
	}
	if len(m.state.toRecheck) > 0 {
		m.wake()
	}
	return nil
}

// afterConflict is the pause before a task is assigned again after a conflict.
const afterConflict = 100 * time.Millisecond

// planAssignments removes the tasks that can be assigned from waiting and returns
// them with their workers.
func (m *master) planAssignments(ctx context.Context) ([]placement, error) {
	workers := m.state.liveWorkers()
	free := 0
	for _, w := range workers {
		free += max(0, w.Capacity-w.Load)
	}
	var placements []placement
	var rest []*task
	for i, t := range m.state.waiting {
		if free == 0 {
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
		free--
		placements = append(placements, placement{t, m.state.workers[workers[k].ID]})
	}
	m.state.waiting = rest
	return placements, nil
}

// readData reads the data of tasks for a strategy.
func (m *master) readData(ctx context.Context, ts []*task) error {
	nodes, err := m.epoch.Nodes(ctx, pathsOf(ts, m.pool.paths.task)...)
	if err != nil {
		return err
	}
	for i, t := range ts {
		if t.data = nodes[i].Data; t.data == nil { // if the task is gone, its assignment fails
			t.data = []byte{}
		}
	}
	return nil
}
