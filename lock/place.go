package lock

import (
	"context"
	"sync"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/internal/recipe/line"
	"github.com/zkrecipes/zkrecipes/session"
)

// Place is a position in the line for a lock. Use it to show a user how long the line is.
// The contenders behind it wait until the lease that Lock returns is unlocked, or until
// Leave is called: one of the two must happen.
//
// If the place's node is deleted or its session expires, the next call of Lock, Position
// or Positions joins the line again at its end. A Place is safe for concurrent use: one
// goroutine can follow Positions while another calls Lock.
type Place struct {
	acquirer, read *acquirer       // read is what a writer can downgrade to; else nil
	busy           chan struct{}   // a mutex: full while a call waits in the line or joins it
	leaving        context.Context // canceled by Leave
	leave          context.CancelFunc

	mu      sync.Mutex
	waiter  *line.Waiter  // nil if the place has no node
	owned   bool          // Lock has returned a lease
	changed chan struct{} // closed and replaced when waiter or owned is set
}

func enter(ctx context.Context, a, read *acquirer) (*Place, error) {
	w, err := a.line.Join(ctx)
	if err != nil {
		return nil, err
	}
	p := &Place{acquirer: a, read: read, waiter: w, busy: make(chan struct{}, 1), changed: make(chan struct{})}
	p.leaving, p.leave = context.WithCancel(context.Background())
	return p, nil
}

// Lock blocks until it holds the lock or ctx is done. If ctx is done first, the place is
// kept, and Lock may be called again. After a successful Lock and after Leave, it returns
// ErrReleased.
//
// It takes one round trip to check that the place's node still exists. The wait takes as
// many round trips as in Mutex.Lock.
func (p *Place) Lock(ctx context.Context) (*Lease, error) {
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.leaving, func() { cancel(ErrReleased) })()
	select {
	case p.busy <- struct{}{}:
	case <-waiting.Done():
		return nil, p.failed(waiting, "lock")
	}
	defer func() { <-p.busy }()
	for {
		w, err := p.ensureJoined(waiting)
		if err != nil {
			return nil, err
		}
		w.Recheck()
		acquired, err := w.Wait(waiting)
		switch {
		case err == nil:
			p.set(nil, true)
			return &Lease{l: lease.Begin(ctx, acquired, p.acquirer.behavior), downgradeTo: p.read}, nil
		case !line.IsGone(err):
			return nil, err
		}
		w.Leave()
		p.set(nil, false)
	}
}

// Leave leaves the line and deletes the node. A concurrent Lock returns ErrReleased. ctx
// bounds only the wait for the deletion, which continues in the background if ctx ends
// first. After a successful Lock, Leave does nothing, so that it can be deferred.
func (p *Place) Leave(ctx context.Context) error {
	p.leave()
	p.busy <- struct{}{} // Lock is about to return
	defer func() { <-p.busy }()
	w, _, _ := p.current()
	if w == nil {
		return nil
	}
	p.set(nil, false)
	select {
	case err := <-w.Leave():
		return err
	case <-ctx.Done():
		return &session.OpError{Package: "lock", Op: "leave", Path: w.Path(), Err: context.Cause(ctx)}
	}
}

// Blocked returns the reason why the wait for the lock cannot end by itself, or nil if
// Lock has found none: a node ahead that no session owns. The error names the node and
// wraps session.ErrNoOwner.
//
// Lock checks the nearest two nodes ahead. For all nodes use Contenders. Blocked sends
// nothing.
func (p *Place) Blocked() error {
	if w, _, _ := p.current(); w != nil {
		return w.Blocked()
	}
	return nil
}

// current returns the waiter, if the place has one, whether the place has become a lease,
// and a channel that is closed when either changes.
func (p *Place) current() (w *line.Waiter, owned bool, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiter, p.owned, p.changed
}

func (p *Place) set(w *line.Waiter, owned bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiter, p.owned = w, owned
	close(p.changed)
	p.changed = make(chan struct{})
}

// ensureJoined returns the waiter. If there is none, it joins the end of the line. The
// caller must hold p.busy.
func (p *Place) ensureJoined(ctx context.Context) (*line.Waiter, error) {
	w, owned, _ := p.current()
	if owned || p.leaving.Err() != nil {
		return nil, ErrReleased
	}
	if w != nil {
		return w, nil
	}
	w, err := p.acquirer.line.Join(ctx)
	if err == nil {
		p.set(w, false)
	}
	return w, err
}

// rejoin replaces the waiter lost, whose node no longer exists, by a new one at the end of the
// line. It returns early if changed is closed, because a concurrent Lock has replaced the
// waiter. lost is nil if the place has no waiter.
func (p *Place) rejoin(ctx context.Context, lost *line.Waiter, changed <-chan struct{}) error {
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.leaving, func() { cancel(ErrReleased) })()
	select {
	case p.busy <- struct{}{}:
	case <-changed:
		return nil
	case <-waiting.Done():
		return p.failed(waiting, "enter")
	}
	defer func() { <-p.busy }()
	if w, _, _ := p.current(); w != nil && w == lost {
		w.Leave()
		p.set(nil, false)
	}
	_, err := p.ensureJoined(waiting)
	return err
}

func (p *Place) failed(ctx context.Context, op string) error {
	return &session.OpError{Package: "lock", Op: op, Path: p.acquirer.line.Path, Err: context.Cause(ctx)}
}
