package queue

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/session"
)

// parent is one of the nodes whose children the cache knows.
type parent struct {
	path   string
	due    func() time.Time // when it may be listed again at the earliest
	relist <-chan struct{}
	merge  func(ctx context.Context, names []string, st session.Stat) error
	check  func(ctx context.Context, ep *session.Epoch) error // called periodically; may be nil
}

// parents returns the parent nodes: that of the claims, if items can be claimed,
// and that of the items.
func (st *store) parents() []parent {
	p := &st.cache
	items := parent{st.items, p.itemsDue, p.items.relist, st.mergeItems, nil}
	if st.claims == "" {
		return []parent{items}
	}
	claims := parent{st.claims, p.claimsDue, p.claims.relist, func(_ context.Context, names []string, _ session.Stat) error {
		p.listClaims(names)
		return nil
	}, st.checkClaims()}
	return []parent{claims, items}
}

// list lists the given parents and merges the names into the cache. Only one call
// lists at a time, so that an older listing cannot replace a newer one.
func (st *store) list(ctx context.Context, fs ...parent) error {
	if err := st.cache.beginListing(ctx); err != nil {
		return st.fail("list", err)
	}
	defer st.cache.endListing()
	for _, f := range fs {
		names, stat, err := st.session.Children(ctx, f.path)
		if err != nil && !errors.Is(err, session.ErrNoNode) {
			return err
		}
		if err := f.merge(ctx, names, stat); err != nil {
			return err
		}
	}
	return nil
}

// follower keeps the cache up to date during one epoch while calls wait. However
// many calls wait, each parent has one watch and is listed once for each change.
type follower struct {
	epoch  *session.Epoch
	cancel context.CancelFunc
	users  int
	wg     sync.WaitGroup
	ended  chan struct{} // closed when the follower has failed
	err    error         // the reason
}

// follow keeps the cache up to date until leave is called. Concurrent callers share
// one follower.
func (st *store) follow(ep *session.Epoch) (f *follower, leave func(), err error) {
	p := &st.cache
	p.mu.Lock()
	defer p.mu.Unlock()
	if f = p.follower; f == nil || f.epoch != ep || f.failed() {
		f = &follower{epoch: ep, ended: make(chan struct{})}
		var ctx context.Context
		ctx, f.cancel = context.WithCancel(ep.Context())
		for _, dir := range st.parents() {
			f.wg.Add(1)
			if !ep.Go(func() { defer f.wg.Done(); f.fail(&st.cache, st.followParent(ctx, ep, dir)) }) {
				f.wg.Done()
				f.cancel()
				return nil, nil, st.fail("watch", session.ErrClosed)
			}
		}
		p.follower = f
	}
	f.users++
	return f, func() { st.unfollow(f) }, nil
}

// unfollow ends the use of f. If it was the last use, unfollow returns after the
// watches are closed.
func (st *store) unfollow(f *follower) {
	st.cache.mu.Lock()
	f.users--
	last := f.users == 0
	if last && st.cache.follower == f {
		st.cache.follower = nil
	}
	st.cache.mu.Unlock()
	if last {
		f.cancel()
		f.wg.Wait()
	}
}

func (f *follower) failed() bool {
	select {
	case <-f.ended:
		return true
	default:
		return false
	}
}

// fail ends the follower for all calls that use it.
func (f *follower) fail(p *itemCache, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.failed() {
		return
	}
	f.err = err
	close(f.ended)
	f.cancel()
}

// followParent lists a parent, and again after each change, but not more often than
// the number of its children allows.
func (st *store) followParent(ctx context.Context, ep *session.Epoch, f parent) error {
	var tick <-chan time.Time
	if f.check != nil {
		t := time.NewTicker(checkPause)
		defer t.Stop()
		tick = t.C
	}
	for {
		if err := backoff.Sleep(time.Until(f.due()), ctx); err != nil {
			return err
		}
		w, err := st.watch(ctx, ep, f)
		if err != nil {
			return err
		}
		select {
		case <-w.Fired():
			continue
		case <-ctx.Done():
			w.Close()
			return context.Cause(ctx)
		case <-f.relist:
		case <-tick:
			w.Close()
			if err := f.check(ctx, ep); err != nil {
				return err
			}
			continue
		}
		// relist only says that a change may have been missed, which is rare, so
		// pause first.
		timer := time.NewTimer(claimsPause)
		select {
		case <-w.Fired():
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		w.Close()
	}
}

// checkPause is how often a waiting consumer checks whether sessions own the claims
// of other clients.
const checkPause = 10 * time.Second

// checkClaims returns a function that records in the cache whether a claim is an
// ownerless node. It reads the stat of each claim that still exists at a check once.
func (st *store) checkClaims() func(context.Context, *session.Epoch) error {
	var blockers lease.Blockers
	return func(ctx context.Context, ep *session.Epoch) error {
		var paths []string
		st.cache.mu.Lock()
		for name := range st.cache.claimed {
			paths = append(paths, st.claimPath(name))
		}
		st.cache.mu.Unlock()
		blocked, err := blockers.Check(ctx, ep, paths...)
		st.cache.mu.Lock()
		st.cache.blocked = blocked
		st.cache.mu.Unlock()
		return err
	}
}

// blockedOn returns an error that names an ownerless claim, which a wait for a
// claimed item cannot outlast, or nil if none is known.
func (p *itemCache) blockedOn() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.claimed) == 0 {
		return nil
	}
	return p.blocked
}

// watch lists a parent and watches its children, or its creation if it does not
// exist.
func (st *store) watch(ctx context.Context, ep *session.Epoch, f parent) (*session.Watch, error) {
	if err := st.cache.beginListing(ctx); err != nil {
		return nil, err
	}
	defer st.cache.endListing()
	select { // the listing below answers the request
	case <-f.relist:
	default:
	}
	for {
		names, stat, w, err := ep.WatchChildren(ctx, f.path)
		if err == nil {
			if err := f.merge(ctx, names, stat); err != nil {
				w.Close()
				return nil, err
			}
			return w, nil
		}
		if !errors.Is(err, session.ErrNoNode) {
			return nil, err
		}
		_, exists, w, err := ep.WatchExists(ctx, f.path)
		if err != nil {
			return nil, err
		}
		if !exists {
			return w, f.merge(ctx, nil, session.Stat{})
		}
		w.Close()
	}
}

// await waits until the cache has items to take.
func (st *store) await(ctx context.Context, ep *session.Epoch, n int) ([]entry, error) {
	f, leave, err := st.follow(ep)
	if err != nil {
		return nil, err
	}
	defer leave()
	for {
		changed, due, _ := st.cache.state()
		if es := st.cache.take(n); len(es) > 0 {
			return es, nil
		}
		var timer *time.Timer
		var timerC <-chan time.Time
		if !due.IsZero() {
			timer = time.NewTimer(time.Until(due))
			timerC = timer.C
		}
		select {
		case <-changed:
		case <-timerC:
		case <-f.ended:
			err = f.err
			if ep.Context().Err() != nil {
				err = context.Cause(ep.Context())
			}
		case <-ctx.Done():
			err = lease.WithReason(ctx, st.cache.blockedOn())
		}
		if timer != nil {
			timer.Stop()
		}
		if err != nil {
			return nil, err
		}
	}
}
