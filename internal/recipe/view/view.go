package view

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/channel"
	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/session"
)

// Unlimited is the depth of a view of everything below a node.
const Unlimited = -1

// Options select what a view follows. The zero value follows one node's data.
type Options struct {
	// Package is the name of the recipe, for OpErrors.
	Package string
	// Closed and Stale are the recipe's errors for a view that was closed, and for a
	// view that may be out of date. The defaults are session.ErrClosed and ErrStale.
	Closed, Stale error
	// Depth is how many levels below the node are followed: 0 is the node's own
	// data, 1 its children and their data, Unlimited everything below it.
	Depth int
	// Accept reports whether a node below the root is followed, given its path
	// relative to the root. Nodes below one that is not followed are not followed
	// either. If Accept is nil, all nodes are followed.
	Accept func(path string) bool
	// Patience limits how long a view tries to read one state of the tree while the
	// nodes keep changing. After that it publishes a snapshot whose nodes were read
	// at different moments. 0 means no limit.
	Patience time.Duration
	// Prompt makes the view read a change immediately, without the pause after the
	// previous one. Use it for nodes that change rarely, or only as fast as the
	// clients that follow them allow.
	Prompt bool
}

// View follows a part of the tree. It is safe for concurrent use.
type View struct {
	session *session.Session
	path    string
	opts    Options
	ctx     context.Context // ends with Close
	cancel  context.CancelFunc
	done    chan struct{} // closed when the view's goroutine has ended
	refresh chan struct{} // see Refresh; capacity 1
	state   atomic.Pointer[state]
}

// state is what a view shows until changed is closed.
type state struct {
	snapshot *Snapshot // nil before the first one
	epoch    uint64    // the epoch in which snapshot is kept up to date
	stale    error     // why snapshot is out of date, or nil
	end      error     // the error after the end of the view
	changed  chan struct{}
}

// Open starts to follow path and waits for the first snapshot. ctx bounds only this
// call. If the node does not exist, the first snapshot shows that, and the view
// waits for the node in the background. If the node may not be read, Open returns an
// error. The caller must call Close.
//
// Open takes one round trip for each level that has nodes, and one more for the data
// of all nodes below the root. A change takes one flight for each level with changed
// children, and one for the nodes whose data changed. The first change after a quiet
// time is read immediately, the next one after a pause; see pause and
// Options.Prompt.
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

// Snapshot returns the latest snapshot, without waiting. As long as nothing has
// changed it is the same pointer.
func (v *View) Snapshot() *Snapshot { return v.state.Load().snapshot }

// Changed returns a channel that is closed when there is a new snapshot, or when Err
// changes for another reason than the state of the session (for that, see
// session.Session.Changed). Call it before Snapshot, so that no change is missed.
// After the end of the view the channel is never closed.
func (v *View) Changed() <-chan struct{} { return v.state.Load().changed }

// Err is nil if the latest snapshot is kept up to date. Otherwise it returns the
// reason: the session is not connected or the view is being read again in a new
// ZooKeeper session (Options.Stale), the nodes change faster than they can be read
// (Options.Stale), a node may not be read (session.ErrNoAuth), the view is closed
// (Options.Closed) or its session is closed (session.ErrClosed).
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

// disconnected returns an error if the session is not connected.
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

// Refresh makes the view read the followed node again although no watch has fired.
// If the node does not exist, that always publishes a new snapshot. Use it after
// creating the node: no watch fires for a node that is created and deleted while the
// session is suspended.
func (v *View) Refresh() { channel.Wake(v.refresh) }

// Watch yields the latest snapshot and then every new one. A slow reader skips
// snapshots that were replaced in the meantime, but always gets the latest. Watch
// continues across reconnects and epochs, and ends with a pair whose error is not
// nil: the cause of ctx, Options.Closed, or session.ErrClosed.
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

// Close ends the view. When it returns, no goroutine of the view runs, and its
// watches are being removed. Snapshots stay valid. Close may be called again.
func (v *View) Close() {
	v.cancel()
	<-v.done
}

// publish stores a new state, and closes changed if the state differs for users of
// the view. Only the view's goroutine calls it.
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
