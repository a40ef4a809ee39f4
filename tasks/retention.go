package tasks

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/batch"
	"github.com/zkrecipes/zkrecipes/session"
)

// removeBatch is how many finished tasks the master removes before it observes
// again.
const removeBatch = 50

// removeFinished removes the oldest finished tasks, as the retention demands. A
// task that cannot be removed is left.
func (m *master) removeFinished(ctx context.Context) error {
	if len(m.state.finished) > 0 {
		if err := m.readClock(ctx); err != nil {
			return err
		}
	}
	now := m.clock.now()
	var names []string
	for len(m.state.finished) > 0 && len(names) < removeBatch && (len(m.state.finished) > m.opts.keep || !m.state.finished[0].at.Add(m.opts.keepFor).After(now)) {
		names = append(names, m.state.finished[0].name)
		delete(m.state.finishedNames, m.state.finished[0].name)
		m.state.finished = m.state.finished[1:]
	}
	if len(names) == 0 {
		return nil
	}
	m.wake() // there may be more
	children, err := m.listAll(ctx, names)
	if err != nil {
		return err
	}
	var writes []batch.Write
	for i, name := range names {
		if isLastNumber(name) && !slices.Contains(children[i], "status") {
			continue // the task was removed, and this is another one
		}
		var removal batch.Write
		for _, child := range children[i] {
			removal.Delete(session.Join(m.pool.paths.task(name), child), session.AnyVersion)
		}
		removal.Delete(m.pool.paths.task(name), session.AnyVersion)
		writes = append(writes, removal)
	}
	_, err = m.apply(ctx, writes)
	return err
}

// serverClock is the servers' time, in which the statuses of tasks are dated. The
// local clock may differ from it.
type serverClock struct {
	server time.Time // of one of this master's writes; zero if not known
	own    time.Time // the local time when that write was answered
}

// set records the time of a write that was just answered.
func (c *serverClock) set(server time.Time) {
	if !server.IsZero() {
		c.server, c.own = server, time.Now()
	}
}

// now returns the servers' time. It may be early by the time that a reply takes.
func (c *serverClock) now() time.Time { return c.server.Add(time.Since(c.own)) }

// local returns the local time at a time of the servers.
func (c *serverClock) local(server time.Time) time.Time { return c.own.Add(server.Sub(c.server)) }

// clockMaxAge is how long at most the servers' time is computed from one write.
const clockMaxAge = time.Minute

// readClock reads the servers' time before a task is removed for its age, unless it
// was read recently. It repeats the write with which the term began.
func (m *master) readClock(ctx context.Context) error {
	known := !m.clock.server.IsZero()
	if known && m.state.finished[0].at.Add(m.opts.keepFor).After(m.clock.now()) || known && time.Since(m.clock.own) < min(clockMaxAge, m.opts.keepFor/4) {
		return nil
	}
	guard := m.fence[0]
	r, err := m.epoch.TxnWithReceipt(ctx, guard, session.OpSet(m.pool.paths.inboxes(), nil, m.inboxesVersion))
	if err != nil {
		return err
	}
	m.fenceAt(guard, r[1].Stat.Version)
	if m.clock.set(r[1].Stat.Mtime); !r[1].Stat.Mtime.IsZero() {
		return nil
	}
	stats, err := m.epoch.Stats(ctx, m.pool.paths.inboxes()) // the reply was lost
	if err == nil {
		m.clock.set(stats[0].Stat.Mtime)
		err = stats[0].Err
	}
	return err
}

// listAll lists the children of several tasks concurrently.
func (m *master) listAll(ctx context.Context, names []string) ([][]string, error) {
	children := make([][]string, len(names))
	errs := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { children[i], errs[i] = m.epoch.Children(ctx, m.pool.paths.task(name)) })
	}
	all.Wait()
	for i, err := range errs {
		if errors.Is(err, session.ErrNoNode) || errors.Is(err, session.ErrNoAuth) {
			errs[i] = nil
		}
	}
	return children, errors.Join(errs...)
}
