// Package lease is ownership that ends: a node that belongs to the current
// epoch and is watched, a context with a cause, a token, a guard, and a release
// that happens for sure.
package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// Claim is what a lease is made of: a node that an epoch of ours has just made
// the owner.
type Claim struct {
	Epoch   *session.Epoch
	Path    string
	More    []string       // nodes that own together with it, of names never used again
	Token   session.Zxid   // the node's czxid, or of a node that it has taken the place of
	Version int32          // that Guard asks for; AnyVersion for a node whose name is never used again
	Own     *session.Watch // of the node at Path; nil if it is not watched yet
	Data    []byte         // of that node when Own was set
	Hold    func()         // gives back the epoch's Hold
}

// Terms are the errors and habits of the recipe that a lease belongs to.
type Terms struct {
	Lost, Released error
	LoseOnSuspend  bool
	StopTime       time.Duration // how long before the deadline the lease ends
	Request        []byte        // the data by which others ask an owner to let go; nil if they cannot
}

// Lease is ownership until Context is done.
type Lease struct {
	claim   Claim
	terms   Terms
	ctx     context.Context
	cancel  context.CancelCauseFunc
	version atomic.Int32
	publish sync.Mutex // one Publish at a time

	ask   sync.Once
	asked chan struct{} // closed when somebody has asked the owner to let go

	settling chan struct{} // has room for one Settle at a time

	mu       sync.Mutex    // one end
	over     time.Time     // when ownership ended; see Deadline
	gone     chan struct{} // closed when the lease has ended, and its nodes have gone or may not be removed
	refused  error         // set before gone is closed: why the nodes may not be removed
	stopping bool          // the lease is lost, and its nodes stay until over
	let      chan struct{} // closed when the nodes of a lost lease need not stay any longer
	letOnce  sync.Once
}

// Begin makes a lease of a claim. Values of ctx are those of the lease's
// context; its end is not, since it bounds the acquisition and not the
// ownership.
func Begin(ctx context.Context, c Claim, t Terms) *Lease {
	l := &Lease{claim: c, terms: t, asked: make(chan struct{}), settling: make(chan struct{}, 1), gone: make(chan struct{}), let: make(chan struct{})}
	l.version.Store(c.Version)
	l.ctx, l.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	if c.Own != nil {
		l.read(c.Data)
	}
	if !c.Epoch.Go(func() { defer c.Hold(); l.watch(c.Path, c.Own) }) {
		l.lose(session.ErrClosed)
		c.Hold()
	}
	for _, path := range c.More {
		c.Epoch.Go(func() { l.watch(path, nil) })
	}
	if t.LoseOnSuspend {
		suspended := c.Epoch.Suspended()
		c.Epoch.Go(func() { l.loseAt(suspended) })
	}
	if t.StopTime > 0 {
		c.Epoch.Go(l.loseInTime)
	}
	return l
}

// Context is done when ownership has ended. Its cause wraps the recipe's Lost or
// Released.
func (l *Lease) Context() context.Context { return l.ctx }

// Err is nil while the lease is held, and the cause of Context after that.
func (l *Lease) Err() error {
	if l.ctx.Err() == nil {
		if err := l.claim.Epoch.Err(); err != nil {
			l.lose(err)
		} else if l.terms.StopTime > 0 && l.left() <= 0 {
			l.abandon(errDeadline)
		}
	}
	return context.Cause(l.ctx)
}

// Deadline returns the moment by which everything that works under the lease must
// have stopped, and a channel that is closed when that moment has moved. It is when
// the session may end on the servers at the earliest. Once the lease has ended, the
// deadline is the moment until which its nodes stay at least, and the channel is nil.
func (l *Lease) Deadline() (deadline time.Time, changed <-chan struct{}) {
	deadline, changed = l.claim.Epoch.Deadline()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return l.over, nil
	}
	return deadline, changed
}

// Token is the zxid of the transaction that made the owner's node.
func (l *Lease) Token() session.Zxid { return l.claim.Token }

// Path is the owner's node.
func (l *Lease) Path() string { return l.claim.Path }

// Epoch is that of the owner's node.
func (l *Lease) Epoch() *session.Epoch { return l.claim.Epoch }

// Session is the id of the ZooKeeper session that owns.
func (l *Lease) Session() int64 { return l.claim.Epoch.ID() }

// Asked is closed when somebody has asked the owner to let go.
func (l *Lease) Asked() <-chan struct{} { return l.asked }

// Guard makes a transaction fail unless its lease is still held. Of a lease of
// several nodes it looks at the first, and Guards at all.
func (l *Lease) Guard() session.Op { return session.OpCheck(l.claim.Path, l.version.Load()) }

// Guards is Guard for each of the lease's nodes.
func (l *Lease) Guards() []session.Op {
	ops := []session.Op{l.Guard()}
	for _, path := range l.claim.More {
		ops = append(ops, session.OpCheck(path, session.AnyVersion))
	}
	return ops
}

// Verify has the ensemble confirm the ownership.
func (l *Lease) Verify(ctx context.Context) error {
	if err := l.Err(); err != nil {
		return err
	}
	_, err := l.claim.Epoch.Txn(ctx, l.Guards()...)
	return l.blame(err)
}

// Publish replaces the data of the owner's node.
func (l *Lease) Publish(ctx context.Context, data []byte) error {
	l.publish.Lock()
	defer l.publish.Unlock()
	for {
		if err := l.Err(); err != nil {
			return err
		}
		v := l.version.Load()
		r, err := l.claim.Epoch.Txn(ctx, session.OpSet(l.claim.Path, data, v))
		if err == nil && v != session.AnyVersion {
			l.version.Store(r[0].Stat.Version)
		}
		if !errors.Is(err, session.ErrUnknown) || ctx.Err() != nil {
			return l.blame(err)
		}
		// The node has changed, and nobody else writes to it: see what is there,
		// and write again.
		if err := l.reread(ctx); err != nil {
			return l.blame(err)
		}
	}
}

// reread takes over the version of the owner's node.
func (l *Lease) reread(ctx context.Context) error {
	nodes, err := l.claim.Epoch.Nodes(ctx, l.claim.Path)
	if err == nil {
		err = nodes[0].Err
	}
	if err == nil && !l.mine(nodes[0].Stat) {
		err = session.ErrNoNode
	}
	if err == nil && l.version.Load() != session.AnyVersion {
		l.version.Store(nodes[0].Stat.Version)
	}
	return err
}

// blame says of a failed operation on the owner's node whether it tells that
// ownership has ended.
func (l *Lease) blame(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, session.ErrNoNode), errors.Is(err, session.ErrBadVersion), errors.Is(err, session.ErrExpired):
		l.lose(err)
		return context.Cause(l.ctx)
	}
	return err
}

// Release ends the lease and removes its node. It ends ownership at once; ctx
// bounds only the wait for the node to go. The node of a lease that is lost, which
// stays for the stop time, goes as well. If the server refuses to remove the
// node, Release returns that, and the removal is retried in the background. The
// second call, and one after a loss, returns the cause of Context.
func (l *Lease) Release(ctx context.Context) error {
	l.Err() // if the clock says that it is lost, that is the cause
	if !l.end(l.terms.Released) {
		l.letGo(ctx)
		return context.Cause(l.ctx)
	}
	l.remove()
	select {
	case <-l.gone:
		return l.refused
	default:
	}
	select {
	case <-l.gone:
		return l.refused
	case <-ctx.Done():
		return &session.OpError{Op: "release", Path: l.claim.Path,
			Err: fmt.Errorf("%w (it goes on in the background)", context.Cause(ctx))}
	}
}

// end ends ownership and reports whether it did, and not somebody before.
func (l *Lease) end(cause error) bool { return l.endBy(cause, 0) }

// endBy is end for a holder who has a time left to stop in.
func (l *Lease) endBy(cause error, stop time.Duration) bool {
	deadline, _ := l.claim.Epoch.Deadline()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return false
	}
	l.over = time.Now().Add(stop)
	if deadline.Before(l.over) {
		l.over = deadline // told late
	}
	l.stopping = stop > 0
	l.cancel(cause)
	return true
}

// lose ends ownership. Nodes of an epoch that is over go with it; of several in
// one that is not, one may have gone and the others not.
func (l *Lease) lose(reason error) {
	if l.claim.More != nil && l.claim.Epoch.Context().Err() == nil {
		l.abandon(reason)
	} else if l.end(l.lost(reason)) {
		close(l.gone)
	}
}

func (l *Lease) lost(reason error) error { return fmt.Errorf("%w: %w", l.terms.Lost, reason) }

// remove removes the owner's nodes, and no other of the same name.
func (l *Lease) remove() {
	czxid := l.claim.Token
	if l.claim.Version == session.AnyVersion {
		czxid = 0 // nobody else ever has this name
	}
	left := 1 + len(l.claim.More)
	var refusals []error
	done := func(err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		refusals = append(refusals, NotRemoved(l.claim.Path, err))
		if left--; left == 0 {
			l.refused = errors.Join(refusals...)
			close(l.gone)
		}
	}
	l.claim.Epoch.Discard(l.claim.Path, czxid, done)
	for _, path := range l.claim.More {
		l.claim.Epoch.Discard(path, 0, done)
	}
}

// NotRemoved is the error of a release at path that the server has refused with
// err, which Epoch.Discard retries; nil if err is.
func NotRemoved(path string, err error) error {
	if err == nil {
		return nil
	}
	var oe *session.OpError
	if errors.As(err, &oe) {
		err = oe.Err
	}
	return &session.OpError{Op: "release", Path: path, Err: fmt.Errorf("%w (the removal of the node is retried in the background)", err)}
}
