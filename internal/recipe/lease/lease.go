// Package lease implements ownership that can end: a node of the current epoch
// that is watched, a context with a cause, a token, guards, and a release that is
// carried out even if its caller stops waiting. Use it in recipes that own one or
// more nodes.
//
// # Loss
//
// The context of a lease is done when the node is deleted, the epoch ends, the
// deadline minus the stop time passes, or, with Behavior.LoseOnSuspend, the
// connection breaks. A process that is suspended cannot be notified in time, so
// writes need the token or Txn.
//
// # Cost
//
// A lease sends one read that watches its node, unless the node is watched already,
// and makes its epoch send proofs. Release takes one round trip. Verify and Txn take
// one each.
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

// Acquired describes an owner's node that does not have a lease yet. Begin makes a
// lease of it.
type Acquired struct {
	Package     string // of the recipe, for OpErrors
	Epoch       *session.Epoch
	Path        string
	MorePaths   []string       // further nodes that are owned with it; their names are never used again
	Token       session.Zxid   // the node's czxid, or that of a node that it replaced
	Version     int32          // the version that Guards check; AnyVersion for a node whose name is never used again
	Watch       *session.Watch // watches the node at Path; nil if it is not watched yet
	Data        []byte         // the data of that node when Watch was set
	Checks      []Check        // checks of other nodes, which are part of Guards
	StopProving func()         // undoes Epoch.KeepProvingFor
}

// Check is a node's version that must not change while a lease is held.
type Check struct {
	Path    string
	Version int32
}

// Behavior is how the leases of a recipe behave.
type Behavior struct {
	Lost, Released error // the recipe's errors; causes of Context wrap one of them
	LoseOnSuspend  bool
	StopTime       time.Duration // how long before the deadline the lease ends
	// IsRevoke reports whether the data of a node asks its holder to release. It is nil
	// if other clients cannot ask. If it is set, their writes to the node do not end
	// ownership.
	IsRevoke func(data []byte) bool
}

// RevokeData is the data of a node that asks its holder to release. Curator defines it.
const RevokeData = "__REVOKE__"

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
	version    atomic.Int32 // of the data of the owner's node, as far as it is known
	publishing sync.Mutex   // one Publish at a time

	revokeOnce sync.Once
	revoked    chan struct{} // closed when another client has asked the holder to release

	releasing chan struct{} // capacity 1: the semaphore of ReleaseWith

	mu          sync.Mutex    // guards the end of the lease
	endedAt     time.Time     // when ownership ended; see Deadline
	gone        chan struct{} // closed when the lease has ended and its nodes are deleted, or their deletion was refused
	refused     error         // the refusal to delete the nodes; set before gone is closed
	stopping    bool          // the lease is lost, and its nodes stay until endedAt
	cutStay     chan struct{} // closed when the nodes of a lost lease need not stay any longer
	cutStayOnce sync.Once
}

// Begin makes a lease of an owner's node. The lease's context has the values of
// ctx, but is not done with it: ctx bounds the acquisition, not the ownership.
func Begin(ctx context.Context, c Acquired, t Behavior) *Lease {
	l := &Lease{acquired: c, behavior: t, revoked: make(chan struct{}), releasing: make(chan struct{}, 1), gone: make(chan struct{}), cutStay: make(chan struct{})}
	l.version.Store(max(c.Version, 0)) // a node whose name is never used again is new, or Publish reads it
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

// Context is done when ownership has ended. Its cause wraps Behavior.Lost or
// Behavior.Released.
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

// Deadline returns the moment by which all work under the lease must have stopped,
// and a channel that is closed when that moment changes. The servers do not end the
// session earlier. Once the lease has ended, the deadline is the moment until which
// its nodes stay at least, and the channel is nil.
func (l *Lease) Deadline() (deadline time.Time, changed <-chan struct{}) {
	deadline, changed = l.acquired.Epoch.Deadline()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return l.endedAt, nil
	}
	return deadline, changed
}

// Token is the zxid of the transaction that created the owner's node.
func (l *Lease) Token() session.Zxid { return l.acquired.Token }

// Path is the path of the owner's node.
func (l *Lease) Path() string { return l.acquired.Path }

// Epoch is the epoch of the owner's node.
func (l *Lease) Epoch() *session.Epoch { return l.acquired.Epoch }

// Session is the id of the ZooKeeper session that owns.
func (l *Lease) Session() int64 { return l.acquired.Epoch.ID() }

// Revoked is closed when another client has asked the holder to release.
func (l *Lease) Revoked() <-chan struct{} { return l.revoked }

func (l *Lease) isRevoked() bool {
	select {
	case <-l.revoked:
		return true
	default:
		return false
	}
}

// Guards returns operations that make a transaction fail unless the lease is held.
func (l *Lease) Guards() []session.Op {
	ops := make([]session.Op, 0, 1)
	for _, c := range l.checks() {
		ops = append(ops, session.OpCheck(c.Path, c.Version))
	}
	return ops
}

// checks returns the checks of Guards.
func (l *Lease) checks() []Check {
	cs := []Check{{l.acquired.Path, l.guardVersion()}}
	for _, path := range l.acquired.MorePaths {
		cs = append(cs, Check{path, session.AnyVersion})
	}
	return append(cs, l.acquired.Checks...)
}

// guardVersion returns the version that a guard of the owner's node checks.
func (l *Lease) guardVersion() int32 {
	if l.acquired.Version == session.AnyVersion {
		return session.AnyVersion
	}
	return l.version.Load()
}

// Verify returns nil if the ensemble confirms the ownership. It takes one round
// trip, and two more if another client has written to the node since it was read.
func (l *Lease) Verify(ctx context.Context) error {
	for {
		if err := l.Err(); err != nil {
			return err
		}
		_, err := l.acquired.Epoch.Txn(ctx, l.Guards()...)
		if !l.isOutdated(err) {
			return l.asLoss(err)
		}
		if err := l.reread(ctx); err != nil {
			return l.asLoss(err)
		}
	}
}

// Publish replaces the data of the owner's node. data returns the new data. It must
// contain the request to release if revoked is true: a client has asked, and its
// request must not be erased. data may be called several times.
//
// It takes one round trip, and two more if another client has written to the node since
// it was read.
func (l *Lease) Publish(ctx context.Context, data func(revoked bool) []byte) error {
	l.publishing.Lock()
	defer l.publishing.Unlock()
	for {
		if err := l.Err(); err != nil {
			return err
		}
		// Read the version first: if it is that of a request, the request is noted already.
		v := l.version.Load()
		r, err := l.acquired.Epoch.Txn(ctx, session.OpSet(l.acquired.Path, data(l.isRevoked()), v))
		switch {
		case err == nil:
			l.noteVersion(r[0].Stat.Version)
			return nil
		case ctx.Err() != nil, !errors.Is(err, session.ErrUnknown) && !l.isOutdated(err):
			return l.asLoss(err)
		}
		// This write or that of another client has changed the node.
		if err := l.reread(ctx); err != nil {
			return l.asLoss(err)
		}
	}
}

// isOutdated reports whether an operation on the owner's node was refused because
// another client has written to it. That does not end ownership if clients may ask the
// holder to release.
func (l *Lease) isOutdated(err error) bool {
	var oe *session.OpError
	return l.behavior.IsRevoke != nil && errors.Is(err, session.ErrBadVersion) && !errors.Is(err, session.ErrUnknown) &&
		errors.As(err, &oe) && oe.Path == l.acquired.Path
}

// reread reads the owner's node and notes its version and a request to release.
func (l *Lease) reread(ctx context.Context) error {
	nodes, err := l.acquired.Epoch.Nodes(ctx, l.acquired.Path)
	if err == nil {
		err = nodes[0].Err
	}
	if err == nil && !l.isOwn(nodes[0].Stat) {
		err = session.ErrNoNode
	}
	if err == nil {
		l.note(nodes[0])
	}
	return err
}

// note notes a request in the owner's node, and then the version that was read with it:
// Publish must not know that version and overwrite a request that it does not know.
func (l *Lease) note(n session.Node) {
	l.noteData(n.Data)
	l.noteVersion(n.Stat.Version)
}

// noteVersion notes a version of the owner's node. Versions are noted in any order; the
// latest one remains. The difference is right after an overflow, too.
func (l *Lease) noteVersion(v int32) {
	for {
		old := l.version.Load()
		if v-old <= 0 || l.version.CompareAndSwap(old, v) {
			return
		}
	}
}

// asLoss ends the lease and returns the cause if err, the error of an operation on
// the owner's node, means that ownership has ended. It returns other errors as they
// are.
func (l *Lease) asLoss(err error) error {
	switch {
	case err == nil:
		return nil
	case l.isOutdated(err):
		return err
	case errors.Is(err, session.ErrNoNode), errors.Is(err, session.ErrBadVersion), errors.Is(err, session.ErrExpired):
		l.lose(err)
		return context.Cause(l.ctx)
	}
	return err
}

// Release ends the lease and deletes its nodes. Ownership ends immediately; ctx
// bounds only the wait for the deletion. After a loss, Release deletes the nodes that
// would stay for the rest of the stop time.
//
// If the server refuses to delete a node, Release returns the refusal, and the
// deletion is retried in the background. A second call, and a call after a loss,
// returns the cause of Context.
func (l *Lease) Release(ctx context.Context) error {
	l.Err() // notes a loss at the deadline first, so that it is the cause
	if !l.end(l.behavior.Released) {
		l.deleteEarly(ctx)
		return context.Cause(l.ctx)
	}
	l.deleteNodes()
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
			Err: fmt.Errorf("%w (the deletion continues in the background)", context.Cause(ctx))}
	}
}

// end ends ownership. It reports false if ownership had ended before.
func (l *Lease) end(cause error) bool { return l.endBy(cause, 0) }

// endBy is end for a holder that has the time stop to stop its work.
func (l *Lease) endBy(cause error, stop time.Duration) bool {
	deadline, _ := l.acquired.Epoch.Deadline()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil {
		return false
	}
	l.endedAt = time.Now().Add(stop)
	if deadline.Before(l.endedAt) {
		l.endedAt = deadline // this process is late
	}
	l.stopping = stop > 0
	l.cancel(cause)
	return true
}

// lose ends ownership with a loss. The servers delete the nodes of an epoch that has
// ended. While the epoch lasts, some of several nodes may still exist, so they are
// deleted.
func (l *Lease) lose(reason error) {
	if l.acquired.MorePaths != nil && l.acquired.Epoch.Context().Err() == nil {
		l.abandon(reason)
	} else if l.end(l.lostErr(reason)) {
		close(l.gone)
	}
}

func (l *Lease) lostErr(reason error) error { return fmt.Errorf("%w: %w", l.behavior.Lost, reason) }

// deleteNodes deletes the owner's nodes in the background. It does not delete another
// node of the same name.
func (l *Lease) deleteNodes() {
	czxid := l.acquired.Token
	if l.acquired.Version == session.AnyVersion {
		czxid = 0 // the name is never used again
	}
	left := 1 + len(l.acquired.MorePaths)
	var refusals []error
	done := func(err error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		refusals = append(refusals, NotDeleted(l.acquired.Package, l.acquired.Path, err))
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

// NotDeleted returns the error of a release at path if the server refused it with
// err, and nil if err is nil. Epoch.DeleteEventually retries the deletion.
func NotDeleted(pkg, path string, err error) error {
	if err == nil {
		return nil
	}
	var oe *session.OpError
	if errors.As(err, &oe) {
		err = oe.Err
	}
	return &session.OpError{Package: pkg, Op: "release", Path: path, Err: fmt.Errorf("%w (the deletion of the node is retried in the background)", err)}
}
