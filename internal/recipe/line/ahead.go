package line

import (
	"context"
	"errors"

	"github.com/zkrecipes/zkrecipes/session"
)

// Ahead reads who stands ahead that the place has to wait for, in order, and
// watches for the next who comes to the line or leaves it. The caller closes the
// watch.
func (p *Waiter) Ahead(ctx context.Context) (paths []string, next *session.Watch, err error) {
	names, _, w, err := p.acquired.Epoch.WatchChildren(ctx, p.line.Path)
	if errors.Is(err, session.ErrNoNode) {
		return nil, nil, errGone // with the whole line
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

// Recheck has Wait look at the line before it relies on what was known of it: for
// a place that has not been waiting all the while.
func (p *Waiter) Recheck() { p.rechecks++ }
