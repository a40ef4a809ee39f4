package line

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/internal/recipe/sequence"
	"github.com/zkrecipes/zkrecipes/session"
)

// Waiter is one node in a line. It must be made a claim, by Wait, or left. Only
// Ahead and Blocked may be called while another method runs.
type Waiter struct {
	acquired  lease.Acquired
	line      *Line
	local     *localWaiters
	ahead     []string                  // the paths of the nearest two not known to have gone, nearest last
	more      bool                      // there may be others ahead of these
	watched   map[string]*session.Watch // of those in ahead
	unowned   map[string]error          // what Epoch.Blocked says of these, if it is not nil
	blocked   atomic.Pointer[error]     // that of one in ahead while Wait waits; see Blocked
	gone      []string                  // who has left since the line was last asked for
	rechecks  int                       // how often it has become doubtful who is ahead, and whether the own node is there
	rechecked int                       // how many of these doubts a list has settled that was asked for after them
}

// Free tells whether nobody stood ahead that the place has to wait for when the
// line was last looked at. Nobody else ever will, so then Wait does not wait.
func (p *Waiter) Free() bool { return len(p.ahead) == 0 && !p.more && !p.needsList() }

// Epoch is that of the node.
func (p *Waiter) Epoch() *session.Epoch { return p.acquired.Epoch }

// Path is the node.
func (p *Waiter) Path() string { return p.acquired.Path }

func (p *Waiter) needsList() bool { return p.rechecked < p.rechecks }

// noteAhead notes who is ahead. It keeps the nearest two: ten thousand in line must
// not each remember five thousand others.
func (p *Waiter) noteAhead(r *listing) error {
	two, more, found := r.nearest(p.line.Layout, p.contender(), p.gone)
	if !found {
		return errGone
	}
	if err := r.checkEnd(p.contender()); err != nil {
		return &session.OpError{Package: p.line.Package, Op: "wait for", Path: p.line.Path, Err: err}
	}
	p.ahead, p.more = nil, more
	for _, name := range two {
		p.ahead = append(p.ahead, session.Join(p.line.Path, name))
	}
	return nil
}

func (p *Waiter) contender() contender {
	_, name := session.Split(p.acquired.Path)
	own, _ := p.line.contender(name)
	if sequence.PastEnd(own.number) {
		own.created = p.acquired.Token
	}
	return own
}

// toAcquired makes the place that has come first an owner's claim.
func (p *Waiter) toAcquired() lease.Acquired {
	if own := p.contender(); own.kind == Exclusive {
		p.local.noteFirst(own.name)
	}
	p.local.leave()
	return p.acquired
}

// Wait waits until nobody is ahead that the place has to wait for, and makes it
// a claim. An error leaves the place as it is: unless it is Gone, one may wait
// again.
//
// Events tell of the nearest two only. When one of them goes and there were
// others, the line is read again, and meanwhile the wait goes on: the answer and
// the event that frees the way may come in either order.
func (p *Waiter) Wait(ctx context.Context) (lease.Acquired, error) {
	if err := p.wait(ctx); err != nil {
		return lease.Acquired{}, err
	}
	if err := p.awaitProof(ctx); err != nil {
		return lease.Acquired{}, err
	}
	return p.toAcquired(), nil
}

// awaitProof waits until the session is proved well enough for a lease with a stop time
// to begin.
func (p *Waiter) awaitProof(ctx context.Context) error {
	if err := p.acquired.Epoch.AwaitStopTime(ctx, p.line.StopTime); err != nil {
		return &session.OpError{Package: p.line.Package, Op: "acquire", Path: p.acquired.Path, Err: err}
	}
	return nil
}

func (p *Waiter) wait(ctx context.Context) error {
	defer p.unwatch()
	var list chan listResult // the answer that is awaited, if one is
	for {
		if err := p.advance(); err != nil {
			return err
		}
		switch {
		case p.Free():
			p.noteBlocked()
			return nil
		case list != nil:
		case p.needsList(), p.more && len(p.ahead) < 2:
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
		case <-p.acquired.Watch.Fired():
		case <-p.watched[p.nearest(1)].Fired():
		case <-p.watched[p.nearest(2)].Fired():
		case l := <-list:
			list = nil
			if errors.Is(l.err, session.ErrNoNode) {
				return errGone // with the whole line
			}
			if l.err != nil {
				return l.err
			}
			if err := p.noteAhead(l.listing); err != nil {
				return err
			}
			p.rechecked = l.rechecks
		case <-ctx.Done():
			return &session.OpError{Package: p.line.Package, Op: "wait for", Path: p.line.Path, Err: lease.WithReason(ctx, p.Blocked())}
		case <-p.acquired.Epoch.Context().Done():
			return context.Cause(p.acquired.Epoch.Context())
		}
	}
}

// advance takes note of the watches that have fired. It fails if the own node
// has gone.
func (p *Waiter) advance() error {
	for path, w := range p.watched {
		if !w.HasFired() {
			continue
		}
		delete(p.watched, path)
		if w.Deleted() {
			p.noteGone(path)
			// Events come in the order of the changes, so the own node was there
			// when this one went, unless its event has come before. That does not
			// hold for what a server tells when a session is resumed.
			if !w.SameConnection() {
				p.rechecks++
			}
		}
	}
	if p.acquired.Watch.HasFired() {
		if p.acquired.Watch.Deleted() {
			return errGone
		}
		p.acquired.Watch = nil
	}
	return nil
}

// noteBlocked sets blocked.
func (p *Waiter) noteBlocked() {
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
func (p *Waiter) Blocked() error {
	if err := p.blocked.Load(); err != nil {
		return *err
	}
	return nil
}

// noteGone notes that one ahead has gone. A list under way may still have it. If it
// is known to have been the first, so has everybody ahead of it.
func (p *Waiter) noteGone(path string) {
	_, name := session.Split(path)
	p.gone = append(p.gone, name)
	if p.local.wasFirst(name) {
		p.more = false
		if i := slices.Index(p.ahead, path); i > 0 {
			p.ahead = p.ahead[i:]
		}
	}
	p.ahead = without(p.ahead, path)
	delete(p.unowned, path)
	if p.line.Layout.mayDowngrade(name) {
		p.rechecks++
	}
}

// nearest is the path of the n-th ahead, counted from the own node; "" if there
// are not so many.
func (p *Waiter) nearest(n int) string {
	if len(p.ahead) < n {
		return ""
	}
	return p.ahead[len(p.ahead)-n]
}

// watch watches the own node and the nearest two ahead. It reports whether one
// of them turned out to have gone.
func (p *Waiter) watch(ctx context.Context) (missed bool, err error) {
	var paths []string
	for _, path := range []string{p.nearest(2), p.nearest(1)} {
		if path != "" && p.watched[path] == nil {
			paths = append(paths, path)
		}
	}
	if p.acquired.Watch == nil {
		paths = append(paths, p.acquired.Path) // the last, so that it is there after the others are not
	}
	if len(paths) == 0 {
		return false, nil
	}
	nodes, err := p.acquired.Epoch.WatchNodes(ctx, paths...)
	for _, n := range nodes {
		switch {
		case n.Path == p.acquired.Path && n.Err == nil:
			p.acquired.Watch, p.acquired.Data = n.Watch, n.Data
		case n.Err == nil:
			p.watched[n.Path] = n.Watch
			if err := p.acquired.Epoch.Blocked(n.Path, n.Stat); err != nil {
				p.unowned[n.Path] = err
			}
		case n.Path == p.acquired.Path && errors.Is(n.Err, session.ErrNoNode):
			err = errGone
		case errors.Is(n.Err, session.ErrNoNode):
			missed = true
			p.noteGone(n.Path)
		default:
			err = n.Err
		}
	}
	return missed, err
}

type listResult struct {
	*listing
	rechecks int // the doubts that it settles
	err      error
}

// list reads the line in the background.
func (p *Waiter) list(ctx context.Context) chan listResult {
	p.gone = nil
	settles := p.rechecks
	answer := make(chan listResult, 1)
	started := p.acquired.Epoch.Go(func() {
		r, err := p.local.list(ctx)
		answer <- listResult{r, settles, err}
	})
	if !started {
		answer <- listResult{err: session.ErrClosed}
	}
	return answer
}

// unwatch ends the interest in those ahead. What happens to them from now on is
// not told, so that whoever waits again has to look first.
func (p *Waiter) unwatch() {
	for _, w := range p.watched {
		w.Close()
	}
	clear(p.watched)
	p.rechecks++
}

// Leave gives the place up and removes its node, as Epoch.DeleteEventually does. The
// channel gets nil when the node is gone, or the server's refusal to remove it.
func (p *Waiter) Leave() <-chan error {
	p.unwatch()
	p.local.leave()
	if p.acquired.StopProving != nil {
		p.acquired.StopProving()
		p.acquired.StopProving = nil
	}
	gone := make(chan error, 1)
	p.acquired.Epoch.DeleteEventually(p.acquired.Path, 0, func(err error) {
		p.acquired.Watch.Close() // it has usually fired
		gone <- lease.NotRemoved(p.acquired.Package, p.acquired.Path, err)
	})
	return gone
}
