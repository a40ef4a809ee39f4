package line

import (
	"context"
	"errors"

	"github.com/zkrecipes/zkrecipes/session"
)

// Ahead reads the nodes that the waiter waits for, in order, and watches the
// children of the line's path. The caller must close the watch.
func (p *Waiter) Ahead(ctx context.Context) (paths []string, next *session.Watch, err error) {
	names, _, w, err := p.acquired.Epoch.WatchChildren(ctx, p.line.Path)
	if errors.Is(err, session.ErrNoNode) {
		return nil, nil, errGone // the line's path was deleted
	}
	if err != nil {
		return nil, nil, err
	}
	r := new(listing)
	if r.contenders, err = p.line.contenders(ctx, p.acquired.Epoch, names, &p.local.created); err != nil {
		w.Close()
		return nil, nil, err
	}
	paths, found := r.paths(p.line, p.contender())
	if !found {
		w.Close()
		return nil, nil, errGone
	}
	return paths, w, nil
}

// Recheck makes Wait read the line again before it relies on an earlier read. Call
// it for a waiter that was not in Wait all the time.
func (p *Waiter) Recheck() { p.rechecks++ }
