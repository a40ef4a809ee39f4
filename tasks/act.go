package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// act does what follows from what the master knows.
func (m *master) act(ctx context.Context) error {
	m.wake(time.Now())
	for _, part := range []func(context.Context) error{m.clearDesks, m.removeExtras, m.assign, m.removeFinished} {
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
	for _, t := range m.delayed {
		sooner(t.due)
	}
	for _, d := range m.desks {
		if !d.again.IsZero() {
			sooner(d.again)
		}
	}
	if len(m.finished) > 0 {
		at := time.Now() // the servers' time is not known
		if !m.clock.server.IsZero() {
			at = m.clock.local(m.finished[0].at.Add(m.keepFor))
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
	firstClearing = 500 * time.Millisecond
	rarestAgain   = 30 * time.Second
)

func (d *desk) later(now time.Time) {
	d.pause = min(max(2*d.pause, firstClearing), rarestAgain)
	d.again = now.Add(d.pause)
}

// clearDesks takes tasks back from workers that have gone, and removes their empty
// inboxes.
func (m *master) clearDesks(ctx context.Context) error {
	now := time.Now()
	for id, d := range m.desks {
		if d.live || !d.open || d.again.After(now) {
			continue
		}
		d.again = time.Time{}
		if err := m.takeBack(ctx, d); err != nil {
			return err
		}
		if err := m.removeExtrasOf(ctx, d); err != nil {
			return err
		}
		if len(d.tasks) > 0 {
			d.later(now)
			continue
		}
		errs, err := m.apply(ctx, [][]session.Op{{session.OpDelete(m.inbox(id), session.AnyVersion)}})
		if err != nil {
			return err
		}
		if err := errs[0]; err == nil || errors.Is(err, session.ErrNoNode) {
			m.clear(d)
			delete(m.desks, id)
		} else {
			d.later(now)
		}
	}
	return nil
}

// takeBack takes tasks back from a worker that has gone. What it had begun was an
// attempt. A task with a claim in it stays where it is, and so does one of which
// it is not certain that it has been taken back.
func (m *master) takeBack(ctx context.Context, d *desk) error {
	var ts []*task
	for _, t := range d.tasks {
		ts = append(ts, t)
	}
	assignments, err := m.epoch.Stats(ctx, paths(ts, func(name string) string { return m.assignment(d.id, name) })...)
	if err != nil {
		return err
	}
	attempts, err := m.epoch.Nodes(ctx, paths(ts, m.attempts)...)
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
			if n >= m.maxAttempts {
				writes[i] = append(writes[i], session.OpCreate(m.status(t.name), failure(exhausted(n, h.Error))))
			} else {
				writes[i] = append(writes[i], h.op(m.attempts(t.name), history{Attempts: n, Error: fmt.Sprintf("worker %s has died", d.id)}))
			}
		}
	}
	errs, err := m.apply(ctx, writes)
	if err != nil {
		return err
	}
	for i, t := range ts {
		m.doubt(t)
		if errs[i] == nil {
			delete(d.tasks, t.name)
			t.desk = nil
			continue
		}
		// It may still be there: the worker may be back, and at it again. A new list
		// of the inbox tells.
		closeWatch(d.listWatch)
		d.listWatch = nil
	}
	return m.lookAtOutcomes(ctx)
}

// removeExtras removes assignments of tasks that are finished, or are another
// worker's.
func (m *master) removeExtras(ctx context.Context) error {
	for _, d := range m.desks {
		if err := m.removeExtrasOf(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

func (m *master) removeExtrasOf(ctx context.Context, d *desk) error {
	var writes [][]session.Op
	for name := range d.extra {
		writes = append(writes, []session.Op{session.OpDelete(m.assignment(d.id, name), session.AnyVersion)})
	}
	clear(d.extra) // one with a claim in it is its worker's to remove
	_, err := m.apply(ctx, writes)
	return err
}

// placement is a task that goes to a worker.
type placement struct {
	task *task
	desk *desk
}

// assign gives tasks that wait to workers that have room for them.
func (m *master) assign(ctx context.Context) error {
	places, err := m.plan(ctx)
	if err != nil {
		return err
	}
	writes := make([][]session.Op, len(places))
	for i, p := range places {
		writes[i] = []session.Op{
			session.OpCheck(m.worker(p.desk.id), session.AnyVersion),
			session.OpCheck(m.core.task(p.task.name), session.AnyVersion),
			session.OpCreate(m.assignment(p.desk.id, p.task.name), nil),
		}
	}
	errs, err := m.apply(ctx, writes)
	if err != nil {
		return err
	}
	for i, p := range places {
		if errs[i] == nil {
			p.task.desk, p.task.data = p.desk, nil
			p.desk.tasks[p.task.name] = p.task
			continue
		}
		// The worker, its inbox or the task has just gone, or somebody else has
		// assigned it.
		p.task.due = time.Now().Add(afterConflict)
		m.doubt(p.task)
	}
	if len(m.doubtful) > 0 {
		m.ring()
	}
	return nil
}

// afterConflict is how long to leave a task alone that could not be assigned.
const afterConflict = 100 * time.Millisecond

// plan takes tasks that can be assigned out of those that wait.
func (m *master) plan(ctx context.Context) ([]placement, error) {
	workers := m.staff()
	room := 0
	for _, w := range workers {
		room += max(0, w.Capacity-w.Load)
	}
	var places []placement
	var rest []*task
	for i, t := range m.waiting {
		if room == 0 {
			rest = append(rest, m.waiting[i:]...)
			break
		}
		if m.strategy.data && t.data == nil {
			if err := m.readData(ctx, m.waiting[i:min(i+inOneFlight, len(m.waiting))]); err != nil {
				return nil, err
			}
		}
		k := m.strategy.pick(Waiting{t.name, t.data}, workers)
		if k < 0 || k >= len(workers) || workers[k].full() {
			rest = append(rest, t)
			continue
		}
		workers[k].Load++
		room--
		places = append(places, placement{t, m.desks[workers[k].ID]})
	}
	m.waiting = rest
	return places, nil
}

// readData reads what strategies want to see.
func (m *master) readData(ctx context.Context, ts []*task) error {
	nodes, err := m.epoch.Nodes(ctx, paths(ts, m.core.task)...)
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
