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

// Waiter is a waiter's node in a line. The caller must turn it into an owner with Wait,
// or delete it with Leave. Only Ahead and Blocked may be called while another method runs.
type Waiter struct {
	acquired  lease.Acquired
	line      *Line
	local     *localWaiters
	ahead     []string                  // the paths of the nearest two not known to be deleted, nearest last
	more      bool                      // there may be others ahead of them
	first     string                    // the path of the first in the last listing that the waiter waits for
	watched   map[string]*session.Watch // watches of the nodes in ahead
	unowned   map[string]error          // the errors of Epoch.Blocked for the nodes in ahead that are blocked
	blocked   atomic.Pointer[error]     // one of unowned while Wait waits; see Blocked
	gone      []string                  // names that were deleted since the last listing was requested
	rechecks  int                       // counts the reasons to read the line again
	rechecked int                       // the value of rechecks when the latest listing was requested
}

// Free reports whether the last read found no contender that the waiter waits for.
// Later contenders join behind it, so Wait then returns without waiting.
func (p *Waiter) Free() bool { return len(p.ahead) == 0 && !p.more && !p.needsList() }

// Epoch is the epoch of the node.
func (p *Waiter) Epoch() *session.Epoch { return p.acquired.Epoch }

// Path is the path of the node.
func (p *Waiter) Path() string { return p.acquired.Path }

func (p *Waiter) needsList() bool { return p.rechecked < p.rechecks }

// noteAhead sets ahead and more. It keeps the nearest two only: ten thousand
// waiters must not each remember five thousand others.
func (p *Waiter) noteAhead(r *listing) error {
	two, more, found := r.nearest(p.line.Layout, p.contender(), p.gone)
	if !found {
		return errGone
	}
	if err := r.checkEnd(p.contender()); err != nil {
		return &session.OpError{Package: p.line.Package, Op: "wait for", Path: p.line.Path, Err: err}
	}
	p.ahead, p.more, p.first = nil, more, r.first(p.line, p.contender())
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

// toAcquired turns the waiter, which owns now, into what a lease is made of.
func (p *Waiter) toAcquired() lease.Acquired {
	if own := p.contender(); own.kind == Exclusive {
		p.local.noteFirst(own.name)
	}
	p.local.leave()
	return p.acquired
}

// Wait blocks until no contender is ahead that the waiter waits for, and returns
// the node for a lease. Unless IsGone reports true for an error, the node still
// exists after it, and Wait may be called again.
//
// Only the nearest two are watched. When one of them is deleted and there were
// others, the line is read again while the wait continues: the reply and the event
// that ends the wait may arrive in either order.
func (p *Waiter) Wait(ctx context.Context) (lease.Acquired, error) {
	if err := p.wait(ctx); err != nil {
		return lease.Acquired{}, err
	}
	if err := p.awaitProof(ctx); err != nil {
		return lease.Acquired{}, err
	}
	return p.toAcquired(), nil
}

// awaitProof waits until the epoch's proofs allow a lease with the line's stop time
// to begin.
func (p *Waiter) awaitProof(ctx context.Context) error {
	if err := p.acquired.Epoch.AwaitStopTime(ctx, p.line.StopTime); err != nil {
		return &session.OpError{Package: p.line.Package, Op: "acquire", Path: p.acquired.Path, Err: err}
	}
	return nil
}

func (p *Waiter) wait(ctx context.Context) error {
	defer p.unwatch()
	var list chan listResult // receives the requested listing; nil if none was requested
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
				return errGone // the line's path was deleted
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

// advance processes the watches that have fired. It returns errGone if the own node
// was deleted.
func (p *Waiter) advance() error {
	for path, w := range p.watched {
		if !w.HasFired() {
			continue
		}
		delete(p.watched, path)
		if w.Deleted() {
			p.noteGone(path)
			// Events arrive in the order of the changes, so the own node existed
			// when this one was deleted, unless its event has arrived before. This
			// does not hold for events that a server sends when a session is resumed.
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

// noteBlocked sets blocked from unowned.
func (p *Waiter) noteBlocked() {
	var reason *error
	for _, path := range p.ahead {
		if err := p.unowned[path]; err != nil {
			reason = &err
		}
	}
	p.blocked.Store(reason)
}

// Blocked returns the error of Epoch.Blocked if one of the nearest two nodes ahead
// is an ownerless node, so that Wait cannot succeed or could not until its context
// was done; otherwise nil. Blocked may be called while another method runs.
func (p *Waiter) Blocked() error {
	if err := p.blocked.Load(); err != nil {
		return *err
	}
	return nil
}

// noteGone notes that a node ahead was deleted. A listing in flight may still
// contain it. If it is known to have been first, all nodes ahead of it were deleted
// as well.
func (p *Waiter) noteGone(path string) {
	_, name := session.Split(path)
	p.gone = append(p.gone, name)
	if p.local.wasFirst(name) {
		p.more = false
		if i := slices.Index(p.ahead, path); i > 0 {
			p.ahead = p.ahead[i:]
		}
	}
	p.ahead = slices.DeleteFunc(p.ahead, func(p string) bool { return p == path })
	delete(p.unowned, path)
	if p.line.Layout.mayDowngrade(name) {
		p.rechecks++
	}
}

// nearest returns the path of the n-th node ahead, counted from the own node, or ""
// if there are fewer.
func (p *Waiter) nearest(n int) string {
	if len(p.ahead) < n {
		return ""
	}
	return p.ahead[len(p.ahead)-n]
}

// watch watches the own node and the nearest two ahead, where they are not watched
// yet. missed is true if one of the nodes ahead did not exist any more.
func (p *Waiter) watch(ctx context.Context) (missed bool, err error) {
	var paths []string
	for _, path := range []string{p.nearest(2), p.nearest(1)} {
		if path != "" && p.watched[path] == nil {
			paths = append(paths, path)
		}
	}
	if p.acquired.Watch == nil {
		paths = append(paths, p.acquired.Path) // last, so that it was read after a node that does not exist any more
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
	rechecks int // the value of rechecks when it was requested
	err      error
}

// list reads the line in the background. The channel receives the result.
func (p *Waiter) list(ctx context.Context) chan listResult {
	p.gone = nil
	rechecks := p.rechecks
	result := make(chan listResult, 1)
	started := p.acquired.Epoch.Go(func() {
		r, err := p.local.list(ctx)
		result <- listResult{r, rechecks, err}
	})
	if !started {
		result <- listResult{err: session.ErrClosed}
	}
	return result
}

// unwatch closes the watches of the nodes ahead. Later changes are not noticed, so
// the next Wait has to read the line first.
func (p *Waiter) unwatch() {
	for _, w := range p.watched {
		w.Close()
	}
	clear(p.watched)
	p.rechecks++
}

// Leave leaves the line and deletes the node with Epoch.DeleteEventually. The
// channel receives nil when the node is gone, or the server's refusal to delete it.
func (p *Waiter) Leave() <-chan error {
	p.unwatch()
	p.local.leave()
	if p.acquired.StopProving != nil {
		p.acquired.StopProving()
		p.acquired.StopProving = nil
	}
	gone := make(chan error, 1)
	p.acquired.Epoch.DeleteEventually(p.acquired.Path, 0, func(err error) {
		p.acquired.Watch.Close() // it has usually fired already
		gone <- lease.NotDeleted(p.acquired.Package, p.acquired.Path, err)
	})
	return gone
}
