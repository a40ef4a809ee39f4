package view

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/session"
)

// Unlimited is the depth of a view of everything below a node.
const Unlimited = -1

// Options say what a view follows. The zero value is a view of one node's data.
type Options struct {
	// Package is that of the recipe, for OpErrors.
	Package string
	// Closed and Stale are the recipe's errors for a view that was closed, and for one
	// that may be out of date. By default they are session.ErrClosed and ErrStale.
	Closed, Stale error
	// Depth is how many levels below the node are followed: 0 is the node's own
	// data, 1 its children with theirs, Unlimited everything below it.
	Depth int
	// Accept says which of the nodes below are followed, by their paths relative
	// to the root; nil is all. What is below a node that is left out is left out,
	// too.
	Accept func(path string) bool
	// Patience is how long to try for a snapshot of one moment while the nodes go
	// on changing. After that, what has been read is published as it is, with each
	// node as it was at a moment of its own. 0 is for ever.
	Patience time.Duration
	// Prompt has a change be read at once, however soon after the last. It is for
	// nodes that change rarely, or no faster than whoever follows them allows.
	Prompt bool
}

// View follows a part of the tree. It is safe for concurrent use.
type View struct {
	session *session.Session
	path    string
	opts    Options
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	done    chan struct{} // closed when nothing of the view is left
	refresh chan struct{} // see Refresh; capacity 1
	state   atomic.Pointer[state]
}

// state is what a view shows, until changed is closed.
type state struct {
	snapshot *Snapshot // nil before the first
	epoch    uint64    // in which it is kept up to date
	stale    error     // why it is not; nil if it is
	end      error     // of the view
	changed  chan struct{}
}

// Open begins to follow path and waits for the first snapshot, or for the end of
// ctx, which bounds only this call. A node that does not exist is waited for in
// the background: then the first snapshot shows that. A node that may not be read
// is an error. Close must be called in the end.
//
// It takes one round trip for each level that there are nodes on, and one more for
// the data of all nodes below the root. Every change costs one flight for each
// level that has changed children, and one for the nodes whose data is new; the
// first after a rest is read at once, the next after a pause (see pause, Prompt).
func Open(ctx context.Context, s *session.Session, path string, opts Options) (*View, error) {
	if opts.Closed == nil {
		opts.Closed = session.ErrClosed
	}
	if opts.Stale == nil {
		opts.Stale = session.ErrStale
	}
	v := &View{session: s, path: path, opts: opts, done: make(chan struct{}), refresh: make(chan struct{}, 1)}
	if err := args.Check(opts.Package, s, path); err != nil {
		return nil, v.opError(errors.Unwrap(err))
	}
	if ctx.Err() != nil {
		return nil, v.opError(context.Cause(ctx))
	}
	v.ctx, v.cancel = context.WithCancel(context.Background())
	v.state.Store(&state{changed: make(chan struct{})})
	go v.run()
	if err := v.opened(ctx); err != nil {
		v.Close()
		return nil, err
	}
	return v, nil
}

// opened waits for the first snapshot.
func (v *View) opened(ctx context.Context) error {
	for {
		st := v.state.Load()
		switch {
		case st.end != nil:
			return st.end
		case st.snapshot != nil:
			return st.snapshot.Root.Err
		}
		select {
		case <-st.changed:
		case <-ctx.Done():
			err := context.Cause(ctx)
			if why := v.disconnected(); why != nil {
				err = fmt.Errorf("%w (%w)", err, why)
			}
			return v.opError(err)
		}
	}
}

func (v *View) opError(err error) error {
	return &session.OpError{Package: v.opts.Package, Op: "follow", Path: v.path, Err: err}
}

// Path is the node that the view follows.
func (v *View) Path() string { return v.path }

// Snapshot returns the latest snapshot, without waiting. As long as nothing has
// changed it is the same pointer.
func (v *View) Snapshot() *Snapshot { return v.state.Load().snapshot }

// Changed returns a channel that is closed when there is a new snapshot, and when
// Err changes for another reason than the state of the session, which
// session.Session.Changed tells of. Take it before Snapshot, and no change is
// missed. After the end of the view it is never closed.
func (v *View) Changed() <-chan struct{} { return v.state.Load().changed }

// Err is nil if the latest snapshot is kept up to date, and else says why it is
// not: the session is not connected, or a new one reads everything again (both
// are ErrStale), a node may not be read (session.ErrNoAuth), the view is closed
// (ErrClosed) or its session is (session.ErrClosed).
func (v *View) Err() error {
	st := v.state.Load()
	if st.end != nil {
		return st.end
	}
	err := v.disconnected()
	if err == nil && st.epoch != v.session.Status().Epoch {
		err = fmt.Errorf("%w: reading it again in a new session", v.opts.Stale)
	}
	if err == nil {
		err = st.stale
	}
	if err == nil {
		return st.snapshot.Err()
	}
	return v.opError(err)
}

// disconnected says that the session is not connected, and why.
func (v *View) disconnected() error {
	st := v.session.Status()
	if st.State == session.Connected {
		return nil
	}
	err := fmt.Errorf("%w: %v", v.opts.Stale, st.State)
	if st.Err != nil {
		err = fmt.Errorf("%w: %w", err, st.Err)
	}
	return err
}

// Refresh has the followed node be read again although no watch has fired. If there
// is no such node, that makes a new snapshot in any case. It is for those who have
// just created the node: of one that is created and deleted while the session is cut
// off, no watch tells.
func (v *View) Refresh() {
	select {
	case v.refresh <- struct{}{}:
	default: // somebody has asked already
	}
}

// Watch yields the latest snapshot and then every new one. A slow reader skips
// those that have been replaced meanwhile, and always arrives at the latest. It
// goes on across reconnects and epochs, and ends with a pair whose error is not
// nil: the end of ctx, ErrClosed, or session.ErrClosed.
func (v *View) Watch(ctx context.Context) iter.Seq2[*Snapshot, error] {
	return func(yield func(*Snapshot, error) bool) {
		var last *Snapshot
		for {
			st := v.state.Load()
			switch {
			case ctx.Err() != nil:
				yield(st.snapshot, v.opError(context.Cause(ctx)))
				return
			case st.end != nil:
				yield(st.snapshot, st.end)
				return
			case st.snapshot != last:
				last = st.snapshot
				if !yield(last, nil) {
					return
				}
				continue
			}
			select {
			case <-st.changed:
			case <-ctx.Done():
			}
		}
	}
}

// Close ends the view. When it returns, no goroutine of the view is left and the
// server is about to forget its watches. Snapshots can be used on. It may be
// called again.
func (v *View) Close() {
	v.cancel()
	<-v.done
}

// publish shows a new state, and tells of it if others can see the difference.
// Only the view's own goroutine calls it.
func (v *View) publish(next state) {
	now := v.state.Load()
	if now.snapshot != nil && next.snapshot != nil && next.snapshot.equal(now.snapshot) {
		now.snapshot.epoch.Store(next.snapshot.Epoch())
		next.snapshot = now.snapshot
	}
	if next.snapshot == now.snapshot && (next.stale == nil) == (now.stale == nil) && next.end == nil {
		next.changed = now.changed
		v.state.Store(&next)
		return
	}
	next.changed = make(chan struct{})
	v.state.Store(&next)
	close(now.changed)
}
