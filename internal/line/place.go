package line

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/zkrecipes/zkrecipes/internal/lease"
	"github.com/zkrecipes/zkrecipes/internal/sequence"
	"github.com/zkrecipes/zkrecipes/session"
)

// Place is one node in a line. It must be made a claim, by Wait, or left. Only
// Ahead and Blocked may be called while another method runs.
type Place struct {
	claim   lease.Claim
	line    *Line
	crowd   *crowd
	ahead   []string                  // the paths of the nearest two not known to have gone, nearest last
	more    bool                      // there may be others ahead of these
	watched map[string]*session.Watch // of those in ahead
	unowned map[string]error          // what Epoch.Blocked says of these, if it is not nil
	blocked atomic.Pointer[error]     // that of one in ahead while Wait waits; see Blocked
	gone    []string                  // who has left since the line was last asked for
	doubts  int                       // how often it has become doubtful who is ahead, and whether the own node is there
	settled int                       // how many of these doubts a list has settled that was asked for after them
}

// Free tells whether nobody stood ahead that the place has to wait for when the
// line was last looked at. Nobody else ever will, so then Wait does not wait.
func (p *Place) Free() bool { return len(p.ahead) == 0 && !p.more && !p.doubtful() }

// Epoch is that of the node.
func (p *Place) Epoch() *session.Epoch { return p.claim.Epoch }

// Path is the node.
func (p *Place) Path() string { return p.claim.Path }

func (p *Place) doubtful() bool { return p.settled < p.doubts }

// look notes who is ahead. It keeps the nearest two: ten thousand in line must
// not each remember five thousand others.
func (p *Place) look(r *roster) error {
	two, more, found := r.nearest(p.line.Naming, p.own(), p.gone)
	if !found {
		return errGone
	}
	if err := r.checkEnd(p.own()); err != nil {
		return &session.OpError{Op: "wait in line at", Path: p.line.Path, Err: err}
	}
	p.ahead, p.more = nil, more
	for _, name := range two {
		p.ahead = append(p.ahead, session.Join(p.line.Path, name))
	}
	return nil
}

func (p *Place) own() contender {
	_, name := session.Split(p.claim.Path)
	own, _ := p.line.contender(name)
	if sequence.PastEnd(own.number) {
		own.created = p.claim.Token
	}
	return own
}

// first makes the place that has come first an owner's claim.
func (p *Place) first() lease.Claim {
	if own := p.own(); own.kind == Exclusive {
		p.crowd.first(own.name)
	}
	p.crowd.quit()
	return p.claim
}

// Wait waits until nobody is ahead that the place has to wait for, and makes it
// a claim. An error leaves the place as it is: unless it is Gone, one may wait
// again.
//
// Events tell of the nearest two only. When one of them goes and there were
// others, the line is read again, and meanwhile the wait goes on: the answer and
// the event that frees the way may come in either order.
func (p *Place) Wait(ctx context.Context) (lease.Claim, error) {
	if err := p.wait(ctx); err != nil {
		return lease.Claim{}, err
	}
	if err := p.begin(ctx); err != nil {
		return lease.Claim{}, err
	}
	return p.first(), nil
}

// begin waits until the session is proved well enough for a lease with a stop time
// to begin.
func (p *Place) begin(ctx context.Context) error {
	if err := p.claim.Epoch.AwaitStopTime(ctx, p.line.StopTime); err != nil {
		return &session.OpError{Op: "hold", Path: p.claim.Path, Err: err}
	}
	return nil
}

func (p *Place) wait(ctx context.Context) error {
	defer p.unwatch()
	var list chan listing // the answer that is awaited, if one is
	for {
		if err := p.advance(); err != nil {
			return err
		}
		switch {
		case p.Free():
			p.noteBlocked()
			return nil
		case list != nil:
		case p.doubtful(), p.more && len(p.ahead) < 2:
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
		p.noteBlocked()
		select {
		case <-fired(p.claim.Own):
		case <-fired(p.watched[p.nearest(1)]):
		case <-fired(p.watched[p.nearest(2)]):
		case l := <-list:
			list = nil
			if errors.Is(l.err, session.ErrNoNode) {
				return errGone // with the whole line
			}
			if l.err != nil {
				return l.err
			}
			if err := p.look(l.roster); err != nil {
				return err
			}
			p.settled = l.settles
		case <-ctx.Done():
			return &session.OpError{Op: "wait in line at", Path: p.line.Path, Err: lease.Because(ctx, p.Blocked())}
		case <-p.claim.Epoch.Context().Done():
			return context.Cause(p.claim.Epoch.Context())
		}
	}
}

// advance takes note of the watches that have fired. It fails if the own node
// has gone.
func (p *Place) advance() error {
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
			if !w.Unbroken() {
				p.doubts++
			}
		}
	}
	if p.claim.Own != nil && hasFired(p.claim.Own) {
		if p.claim.Own.Deleted() {
			return errGone
		}
		p.claim.Own = nil
	}
	return nil
}

// noteBlocked sets blocked.
func (p *Place) noteBlocked() {
	var reason *error
	for _, path := range p.ahead {
		if err := p.unowned[path]; err != nil {
			reason = &err
		}
	}
	p.blocked.Store(reason)
}

// Blocked returns why a call of Wait cannot succeed, or could not until its context ended:
// one of the nearest two ahead is a node that no session owns. The error is that of
// Epoch.Blocked, or nil. Blocked may be called while another method runs.
func (p *Place) Blocked() error {
	if err := p.blocked.Load(); err != nil {
		return *err
	}
	return nil
}

// left notes that one ahead has gone. A list under way may still have it. If it
// is known to have been the first, so has everybody ahead of it.
func (p *Place) left(path string) {
	_, name := session.Split(path)
	p.gone = append(p.gone, name)
	if p.crowd.wasFirst(name) {
		p.more = false
		if i := slices.Index(p.ahead, path); i > 0 {
			p.ahead = p.ahead[i:]
		}
	}
	p.ahead = without(p.ahead, path)
	delete(p.unowned, path)
	if p.line.Naming.leavesHeir(name) {
		p.doubts++
	}
}

// nearest is the path of the n-th ahead, counted from the own node; "" if there
// are not so many.
func (p *Place) nearest(n int) string {
	if len(p.ahead) < n {
		return ""
	}
	return p.ahead[len(p.ahead)-n]
}

// watch watches the own node and the nearest two ahead. It reports whether one
// of them turned out to have gone.
func (p *Place) watch(ctx context.Context) (missed bool, err error) {
	var paths []string
	for _, path := range []string{p.nearest(2), p.nearest(1)} {
		if path != "" && p.watched[path] == nil {
			paths = append(paths, path)
		}
	}
	if p.claim.Own == nil {
		paths = append(paths, p.claim.Path) // the last, so that it is there after the others are not
	}
	if len(paths) == 0 {
		return false, nil
	}
	nodes, err := p.claim.Epoch.WatchNodes(ctx, paths...)
	for _, n := range nodes {
		switch {
		case n.Path == p.claim.Path && n.Err == nil:
			p.claim.Own, p.claim.Data = n.Watch, n.Data
		case n.Err == nil:
			p.watched[n.Path] = n.Watch
			if err := p.claim.Epoch.Blocked(n.Path, n.Stat); err != nil {
				p.unowned[n.Path] = err
			}
		case n.Path == p.claim.Path && errors.Is(n.Err, session.ErrNoNode):
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
	settles int // the doubts that it settles
	err     error
}

// list reads the line in the background.
func (p *Place) list(ctx context.Context) chan listing {
	p.gone = nil
	settles := p.doubts
	answer := make(chan listing, 1)
	started := p.claim.Epoch.Go(func() {
		r, err := p.crowd.list(ctx)
		answer <- listing{r, settles, err}
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

// unwatch ends the interest in those ahead. What happens to them from now on is
// not told, so that whoever waits again has to look first.
func (p *Place) unwatch() {
	for _, w := range p.watched {
		w.Close()
	}
	clear(p.watched)
	p.doubts++
}

// Leave gives the place up and removes its node, as Epoch.Discard does. The
// channel gets nil when the node is gone, or the server's refusal to remove it.
func (p *Place) Leave() <-chan error {
	p.unwatch()
	p.crowd.quit()
	if p.claim.Hold != nil {
		p.claim.Hold()
		p.claim.Hold = nil
	}
	gone := make(chan error, 1)
	p.claim.Epoch.Discard(p.claim.Path, 0, func(err error) {
		if p.claim.Own != nil {
			p.claim.Own.Close() // as a rule it has fired
		}
		gone <- lease.NotRemoved(p.claim.Path, err)
	})
	return gone
}
