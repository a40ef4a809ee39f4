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

// Acquired is what a lease is made of: a node that an epoch of ours has just made
// the owner.
type Acquired struct {
	Package     string // of the recipe, for OpErrors
	Epoch       *session.Epoch
	Path        string
	MorePaths   []string       // nodes that own together with it, of names never used again
	Token       session.Zxid   // the node's czxid, or of a node that it has taken the place of
	Version     int32          // that Guards ask for; AnyVersion for a node whose name is never used again
	Watch       *session.Watch // of the node at Path; nil if it is not watched yet
	Data        []byte         // of that node when Own was set
	Checks      []Check        // of other nodes, which Guards also make
	StopProving func()         // gives back the epoch's Hold
}

// Check is a version that a node has while a lease is held.
type Check struct {
	Path    string
	Version int32
}

// Behavior are the errors and habits of the recipe that a lease belongs to.
type Behavior struct {
	Lost, Released error
	LoseOnSuspend  bool
	StopTime       time.Duration // how long before the deadline the lease ends
	RevokeData     []byte        // the data by which others ask an owner to let go; nil if they cannot
}

// The states of a lease. Ownership lasts in the state held only; Context is done in all
// others. Except after ReleaseWith, Context is done before the lease deletes its nodes.
//
//	        Release, Replace, or ReleaseWith with an unknown outcome
//	 held ------------------------------------------------------> released
//	  | |                                                             |
//	  | |                                  nodes deleted or replaced, |
//	  | |                          or the servers refuse to delete them
//	  | |                                                             v
//	  | +----------------------------------------------------------> gone
//	  |   Transfer, ReleaseWith, epoch ended,                         ^
//	  |   or the only node was deleted by another client              |
//	  |                                                               |
//	  |   stop time reached, connection lost (LoseOnSuspend),         |
//	  |   Abandon, a node that cannot be read,                        |
//	  |   or one of several nodes deleted                             |
//	  +------------------------------------------> lost, nodes stay --+
//
// The nodes of a lost lease stay until the stop time is over, Release is called or the
// epoch ends, and are then deleted. Without a stop time they are deleted immediately.

// Lease is ownership until Context is done.
type Lease struct {
	acquired   Acquired
	behavior   Behavior
	ctx        context.Context
	cancel     context.CancelCauseFunc
	version    atomic.Int32
	publishing sync.Mutex // one Publish at a time

	revokeOnce sync.Once
	revoked    chan struct{} // closed when somebody has asked the owner to let go

	releasing chan struct{} // has room for one Settle at a time

	mu          sync.Mutex    // one end
	endedAt     time.Time     // when ownership ended; see Deadline
	gone        chan struct{} // closed when the lease has ended, and its nodes have gone or may not be removed
	refused     error         // set before gone is closed: why the nodes may not be removed
	stopping    bool          // the lease is lost, and its nodes stay until over
	cutStay     chan struct{} // closed when the nodes of a lost lease need not stay any longer
	cutStayOnce sync.Once
}

// Begin makes a lease of a claim. Values of ctx are those of the lease's
// context; its end is not, since it bounds the acquisition and not the
// ownership.
func Begin(ctx context.Context, c Acquired, t Behavior) *Lease {
	l := &Lease{acquired: c, behavior: t, revoked: make(chan struct{}), releasing: make(chan struct{}, 1), gone: make(chan struct{}), cutStay: make(chan struct{})}
	l.version.Store(c.Version)
	l.ctx, l.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	if c.Watch != nil {
		l.noteData(c.Data)
	}
	if !c.Epoch.Go(func() { defer c.StopProving(); l.watch(c.Path, c.Watch) }) {
		l.lose(session.ErrClosed)
		c.StopProving()
	}
	for _, path := range c.MorePaths {
		c.Epoch.Go(func() { l.watch(path, nil) })
	}
	if t.LoseOnSuspend {
		suspended := c.Epoch.Suspended()
		c.Epoch.Go(func() { l.loseWhenSuspended(suspended) })
	}
	if t.StopTime > 0 {
		c.Epoch.Go(l.loseBeforeDeadline)
	}
	return l
}

// Context is done when ownership has ended. Its cause wraps the recipe's Lost or
// Released.
func (l *Lease) Context() context.Context { return l.ctx }

// Err is nil while the lease is held, and the cause of Context after that.
func (l *Lease) Err() error {
	if l.ctx.Err() == nil {
		if err := l.acquired.Epoch.Err(); err != nil {
			l.lose(err)
		} else if l.behavior.StopTime > 0 && l.left() <= 0 {
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
	deadline, changed = l.acquired.Epoch.Deadline()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return l.endedAt, nil
	}
	return deadline, changed
}

// Token is the zxid of the transaction that made the owner's node.
func (l *Lease) Token() session.Zxid { return l.acquired.Token }

// Path is the owner's node.
func (l *Lease) Path() string { return l.acquired.Path }

// Epoch is that of the owner's node.
func (l *Lease) Epoch() *session.Epoch { return l.acquired.Epoch }

// Session is the id of the ZooKeeper session that owns.
func (l *Lease) Session() int64 { return l.acquired.Epoch.ID() }

// Revoked is closed when somebody has asked the owner to let go.
func (l *Lease) Revoked() <-chan struct{} { return l.revoked }

// Guards make a transaction fail unless the lease is held.
func (l *Lease) Guards() []session.Op {
	ops := make([]session.Op, 0, 1)
	for _, c := range l.checks() {
		ops = append(ops, session.OpCheck(c.Path, c.Version))
	}
	return ops
}

// checks are what Guards consist of.
func (l *Lease) checks() []Check {
	cs := []Check{{l.acquired.Path, l.version.Load()}}
	for _, path := range l.acquired.MorePaths {
		cs = append(cs, Check{path, session.AnyVersion})
	}
	return append(cs, l.acquired.Checks...)
}

// Verify has the ensemble confirm the ownership.
func (l *Lease) Verify(ctx context.Context) error {
	if err := l.Err(); err != nil {
		return err
	}
	_, err := l.acquired.Epoch.Txn(ctx, l.Guards()...)
	return l.asLoss(err)
}

// Publish replaces the data of the owner's node.
func (l *Lease) Publish(ctx context.Context, data []byte) error {
	l.publishing.Lock()
	defer l.publishing.Unlock()
	for {
		if err := l.Err(); err != nil {
			return err
		}
		v := l.version.Load()
		r, err := l.acquired.Epoch.Txn(ctx, session.OpSet(l.acquired.Path, data, v))
		if err == nil && v != session.AnyVersion {
			l.version.Store(r[0].Stat.Version)
		}
		if !errors.Is(err, session.ErrUnknown) || ctx.Err() != nil {
			return l.asLoss(err)
		}
		// The node has changed, and nobody else writes to it: see what is there,
		// and write again.
		if err := l.reread(ctx); err != nil {
			return l.asLoss(err)
		}
	}
}

// reread takes over the version of the owner's node.
func (l *Lease) reread(ctx context.Context) error {
	nodes, err := l.acquired.Epoch.Nodes(ctx, l.acquired.Path)
	if err == nil {
		err = nodes[0].Err
	}
	if err == nil && !l.isOwn(nodes[0].Stat) {
		err = session.ErrNoNode
	}
	if err == nil && l.version.Load() != session.AnyVersion {
		l.version.Store(nodes[0].Stat.Version)
	}
	return err
}

// asLoss says of a failed operation on the owner's node whether it tells that
// ownership has ended.
func (l *Lease) asLoss(err error) error {
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
	if !l.end(l.behavior.Released) {
		l.removeEarly(ctx)
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
		return &session.OpError{Package: l.acquired.Package, Op: "release", Path: l.acquired.Path,
			Err: fmt.Errorf("%w (it goes on in the background)", context.Cause(ctx))}
	}
}

// end ends ownership and reports whether it did, and not somebody before.
func (l *Lease) end(cause error) bool { return l.endBy(cause, 0) }

// endBy is end for a holder who has a time left to stop in.
func (l *Lease) endBy(cause error, stop time.Duration) bool {
	deadline, _ := l.acquired.Epoch.Deadline()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return false
	}
	l.endedAt = time.Now().Add(stop)
	if deadline.Before(l.endedAt) {
		l.endedAt = deadline // told late
	}
	l.stopping = stop > 0
	l.cancel(cause)
	return true
}

// lose ends ownership. Nodes of an epoch that is over go with it; of several in
// one that is not, one may have gone and the others not.
func (l *Lease) lose(reason error) {
	if l.acquired.MorePaths != nil && l.acquired.Epoch.Context().Err() == nil {
		l.abandon(reason)
	} else if l.end(l.lostErr(reason)) {
		close(l.gone)
	}
}

func (l *Lease) lostErr(reason error) error { return fmt.Errorf("%w: %w", l.behavior.Lost, reason) }

// remove removes the owner's nodes, and no other of the same name.
func (l *Lease) remove() {
	czxid := l.acquired.Token
	if l.acquired.Version == session.AnyVersion {
		czxid = 0 // nobody else ever has this name
	}
	left := 1 + len(l.acquired.MorePaths)
	var refusals []error
	done := func(err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		refusals = append(refusals, NotRemoved(l.acquired.Package, l.acquired.Path, err))
		if left--; left == 0 {
			l.refused = errors.Join(refusals...)
			close(l.gone)
		}
	}
	l.acquired.Epoch.DeleteEventually(l.acquired.Path, czxid, done)
	for _, path := range l.acquired.MorePaths {
		l.acquired.Epoch.DeleteEventually(path, 0, done)
	}
}

// NotRemoved is the error of a release at path that the server has refused with
// err, which Epoch.DeleteEventually retries; nil if err is.
func NotRemoved(pkg, path string, err error) error {
	if err == nil {
		return nil
	}
	var oe *session.OpError
	if errors.As(err, &oe) {
		err = oe.Err
	}
	return &session.OpError{Package: pkg, Op: "release", Path: path, Err: fmt.Errorf("%w (the removal of the node is retried in the background)", err)}
}
