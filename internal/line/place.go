package line

import (
	"context"
	"errors"
	"slices"

	"github.com/zkrecipes/zkrecipes/internal/lease"
	"github.com/zkrecipes/zkrecipes/session"
)

// place is one node in a line.
type place struct {
	lease.Claim
	line    *Line
	crowd   *crowd
	ahead   []string                  // the paths of the nearest two not known to have gone, nearest last
	more    bool                      // there may be others ahead of these
	watched map[string]*session.Watch // of those in ahead
	gone    []string                  // who has left since the line was last asked for
	doubt   bool                      // the own node may have gone as well, unnoticed
}

// errGone says that somebody has removed the node of a place.
var errGone = errors.New("line: own node removed")

// look notes who is ahead. It keeps the nearest two: ten thousand in line must
// not each remember five thousand others.
func (p *place) look(r *roster) error {
	_, name := session.Split(p.Path)
	own, _ := p.line.contender(name)
	two, more, found := r.ahead(own, p.gone)
	if !found {
		return errGone
	}
	p.ahead, p.more, p.doubt = nil, more, false
	for _, name := range two {
		p.ahead = append(p.ahead, session.Join(p.line.Path, name))
	}
	return nil
}

// first makes the place that has come first an owner's claim.
func (p *place) first() lease.Claim {
	_, name := session.Split(p.Path)
	p.crowd.first(name)
	p.crowd.quit()
	return p.Claim
}

// wait returns nil once nobody is ahead.
//
// Events tell of the nearest two only. When one of them goes and there were
// others, the line is read again, and meanwhile the wait goes on: the answer and
// the event that frees the way may come in either order.
func (p *place) wait(ctx context.Context) error {
	defer p.unwatch()
	var list chan listing // the answer that is awaited, if one is
	for {
		if err := p.advance(); err != nil {
			return err
		}
		switch {
		case len(p.ahead) == 0 && !p.more && !p.doubt:
			return nil
		case list != nil:
		case p.doubt, p.more && len(p.ahead) < 2:
			list = p.list(ctx)
		default:
			missed, err := p.watch(ctx)
			if err != nil {
				return err
			}
			if missed {
				continue
			}
		}
		select {
		case <-fired(p.Own):
		case <-fired(p.watched[p.nearest(1)]):
		case <-fired(p.watched[p.nearest(2)]):
		case l := <-list:
			list = nil
			if l.err != nil {
				return l.err
			}
			if err := p.look(l.roster); err != nil {
				return err
			}
		case <-ctx.Done():
			return &session.OpError{Op: "wait in line at", Path: p.line.Path, Err: context.Cause(ctx)}
		case <-p.Epoch.Context().Done():
			return context.Cause(p.Epoch.Context())
		}
	}
}

// advance takes note of the watches that have fired. It fails if the own node
// has gone.
func (p *place) advance() error {
	for path, w := range p.watched {
		if !hasFired(w) {
			continue
		}
		delete(p.watched, path)
		if w.Deleted() {
			p.left(path)
			// Events come in the order of the changes, so the own node was there
			// when this one went, unless its event has come before. That does not
			// hold for what a server tells when a session is resumed.
			p.doubt = p.doubt || !w.Unbroken()
		}
	}
	if p.Own != nil && hasFired(p.Own) {
		if p.Own.Deleted() {
			return errGone
		}
		p.Own = nil
	}
	return nil
}

// left notes that one ahead has gone. A list under way may still have it. If it
// is known to have been the first, so has everybody ahead of it.
func (p *place) left(path string) {
	_, name := session.Split(path)
	p.gone = append(p.gone, name)
	if p.crowd.wasFirst(name) {
		p.more = false
		if i := slices.Index(p.ahead, path); i > 0 {
			p.ahead = p.ahead[i:]
		}
	}
	p.ahead = slices.DeleteFunc(p.ahead, func(a string) bool { return a == path })
}

// nearest is the path of the n-th ahead, counted from the own node; "" if there
// are not so many.
func (p *place) nearest(n int) string {
	if len(p.ahead) < n {
		return ""
	}
	return p.ahead[len(p.ahead)-n]
}

// watch watches the own node and the nearest two ahead. It reports whether one
// of them turned out to have gone.
func (p *place) watch(ctx context.Context) (missed bool, err error) {
	var paths []string
	for _, path := range []string{p.nearest(2), p.nearest(1)} {
		if path != "" && p.watched[path] == nil {
			paths = append(paths, path)
		}
	}
	if p.Own == nil {
		paths = append(paths, p.Path) // the last, so that it is there after the others are not
	}
	if len(paths) == 0 {
		return false, nil
	}
	nodes, err := p.Epoch.WatchNodes(ctx, paths...)
	for _, n := range nodes {
		switch {
		case n.Path == p.Path && n.Err == nil:
			p.Own = n.Watch
		case n.Err == nil:
			p.watched[n.Path] = n.Watch
		case n.Path == p.Path && errors.Is(n.Err, session.ErrNoNode):
			err = errGone
		case errors.Is(n.Err, session.ErrNoNode):
			missed = true
			p.left(n.Path)
		default:
			err = n.Err
		}
	}
	return missed, err
}

type listing struct {
	*roster
	err error
}

// list reads the line in the background.
func (p *place) list(ctx context.Context) chan listing {
	p.gone = nil
	answer := make(chan listing, 1)
	started := p.Epoch.Go(func() {
		r, err := p.crowd.list(ctx)
		answer <- listing{r, err}
	})
	if !started {
		answer <- listing{err: session.ErrClosed}
	}
	return answer
}

// fired is the channel of a watch; nil, which never fires, if there is none.
func fired(w *session.Watch) <-chan struct{} {
	if w == nil {
		return nil
	}
	return w.Fired()
}

func hasFired(w *session.Watch) bool {
	select {
	case <-w.Fired():
		return true
	default:
		return false
	}
}

// unwatch ends the interest in those ahead.
func (p *place) unwatch() {
	for _, w := range p.watched {
		w.Close()
	}
	clear(p.watched)
}

// leave gives the place up. The channel is closed when its node is gone.
func (p *place) leave() <-chan struct{} {
	p.unwatch()
	p.crowd.quit()
	if p.Hold != nil {
		p.Hold()
		p.Hold = nil
	}
	gone := make(chan struct{})
	p.Epoch.Discard(p.Path, 0, func() {
		if p.Own != nil {
			p.Own.Close() // as a rule it has fired
		}
		close(gone)
	})
	return gone
}
