package lock

import (
	"context"
	"sync"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/internal/recipe/line"
	"github.com/zkrecipes/zkrecipes/session"
)

// Place is a place in the line for a lock. Others wait behind it until Lock has
// made it a lease that is then unlocked, or Leave has given it up: one of them
// must be called. When its node is removed or its session ends, it is a place at
// the end of the line from the next call on.
//
// It is safe for concurrent use: one goroutine may follow Positions while another
// is in Lock.
type Place struct {
	acquirer, read *acquirer       // read as in Lease
	busy           chan struct{}   // has an element while somebody waits in line, or stands in it anew
	leaving        context.Context // ends with Leave
	leave          context.CancelFunc

	mu      sync.Mutex
	waiter  *line.Waiter  // nil when there is none
	owned   bool          // it has become a lease
	changed chan struct{} // closed when one of the two changes
}

func enter(ctx context.Context, t, read *acquirer) (*Place, error) {
	at, err := t.line.Join(ctx)
	if err != nil {
		return nil, err
	}
	p := &Place{acquirer: t, read: read, waiter: at, busy: make(chan struct{}, 1), changed: make(chan struct{})}
	p.leaving, p.leave = context.WithCancel(context.Background())
	return p, nil
}

// Lock waits until the lock is held. When ctx ends first, the place is kept, and
// Lock may be called again. Once it has succeeded, and after Leave, it returns
// ErrReleased.
//
// It takes one round trip to see that nobody has removed the place meanwhile; the
// wait costs what that of Mutex.Lock does.
func (p *Place) Lock(ctx context.Context) (*Lease, error) {
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.leaving, func() { cancel(ErrReleased) })()
	select {
	case p.busy <- struct{}{}:
	case <-waiting.Done():
		return nil, p.failed("lock", waiting)
	}
	defer func() { <-p.busy }()
	for {
		at, err := p.ensureJoined(waiting)
		if err != nil {
			return nil, err
		}
		at.Recheck()
		c, err := at.Wait(waiting)
		switch {
		case err == nil:
			p.set(nil, true)
			return &Lease{l: lease.Begin(ctx, c, p.acquirer.behavior), downgradeTo: p.read}, nil
		case !line.IsGone(err):
			return nil, err
		}
		at.Leave()
		p.set(nil, false)
	}
}

// Leave gives the place up; a Lock under way returns ErrReleased. ctx bounds the
// wait for the node to go, which it does in any case. Where Lock has succeeded,
// Leave does nothing, so that it can be deferred.
func (p *Place) Leave(ctx context.Context) error {
	p.leave()
	p.busy <- struct{}{} // Lock is about to return
	defer func() { <-p.busy }()
	at, _, _ := p.current()
	if at == nil {
		return nil
	}
	p.set(nil, false)
	select {
	case err := <-at.Leave():
		return err
	case <-ctx.Done():
		return &session.OpError{Package: "lock", Op: "leave", Path: at.Path(), Err: context.Cause(ctx)}
	}
}

// Blocked returns why the wait for the lock cannot end by itself, as far as Lock has
// noticed: a node ahead that no session owns. The error names the node and wraps
// session.ErrNoOwner. It is nil if there is no such reason.
//
// Lock looks at the nearest two ahead. Contenders shows all. Nothing is sent.
func (p *Place) Blocked() error {
	if at, _, _ := p.current(); at != nil {
		return at.Blocked()
	}
	return nil
}

// current returns where the place is, whether it has become a lease, and what is
// closed when that changes.
func (p *Place) current() (at *line.Waiter, owned bool, moved <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiter, p.owned, p.changed
}

func (p *Place) set(at *line.Waiter, owned bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiter, p.owned = at, owned
	close(p.changed)
	p.changed = make(chan struct{})
}

// ensureJoined returns where the place is, and stands in line anew if it is nowhere. The
// caller has the use.
func (p *Place) ensureJoined(ctx context.Context) (*line.Waiter, error) {
	at, owned, _ := p.current()
	if owned || p.leaving.Err() != nil {
		return nil, ErrReleased
	}
	if at != nil {
		return at, nil
	}
	at, err := p.acquirer.line.Join(ctx)
	if err == nil {
		p.set(at, false)
	}
	return at, err
}

// rejoin has a place that was lost stand in line anew, unless somebody in Lock sees
// to it, who then moves. lost is nil for one that is nowhere.
func (p *Place) rejoin(ctx context.Context, lost *line.Waiter, moved <-chan struct{}) error {
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.leaving, func() { cancel(ErrReleased) })()
	select {
	case p.busy <- struct{}{}:
	case <-moved:
		return nil
	case <-waiting.Done():
		return p.failed("enter", waiting)
	}
	defer func() { <-p.busy }()
	if at, _, _ := p.current(); at != nil && at == lost {
		at.Leave()
		p.set(nil, false)
	}
	_, err := p.ensureJoined(waiting)
	return err
}

func (p *Place) failed(op string, ctx context.Context) error {
	return &session.OpError{Package: "lock", Op: op, Path: p.acquirer.line.Path, Err: context.Cause(ctx)}
}
