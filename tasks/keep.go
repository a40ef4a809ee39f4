package tasks

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// inOneGo is how many finished tasks are removed before the master does something
// else.
const inOneGo = 50

// removeFinished removes the oldest of the finished tasks that are too many or too
// old. A task that cannot be removed is left where it is.
func (m *master) removeFinished(ctx context.Context) error {
	now := time.Now()
	var names []string
	for len(m.finished) > 0 && len(names) < inOneGo && (len(m.finished) > m.keep || !m.finished[0].at.Add(m.keepFor).After(now)) {
		names = append(names, m.finished[0].name)
		delete(m.over, m.finished[0].name)
		m.finished = m.finished[1:]
	}
	if len(names) == 0 {
		return nil
	}
	m.ring() // there may be more
	children, err := m.listAll(ctx, names)
	if err != nil {
		return err
	}
	writes := make([][]session.Op, len(names))
	for i, name := range names {
		for _, child := range children[i] {
			writes[i] = append(writes[i], session.OpDelete(session.Join(m.core.task(name), child), session.AnyVersion))
		}
		writes[i] = append(writes[i], session.OpDelete(m.core.task(name), session.AnyVersion))
	}
	_, err = m.apply(ctx, writes)
	return err
}

// listAll lists the children of several tasks, at the same time.
func (m *master) listAll(ctx context.Context, names []string) ([][]string, error) {
	children := make([][]string, len(names))
	errs := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { children[i], errs[i] = m.epoch.Children(ctx, m.core.task(name)) })
	}
	all.Wait()
	for i, err := range errs {
		if errors.Is(err, session.ErrNoNode) || errors.Is(err, session.ErrNoAuth) {
			errs[i] = nil
		}
	}
	return children, errors.Join(errs...)
}
