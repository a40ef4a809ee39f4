package config

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/view"
	"github.com/zkrecipes/zkrecipes/session"
)

// Value is a live, decoded view of one node. It keeps the last good value through
// invalid updates, deletions and disconnections. It is safe for concurrent use.
type Value[T any] struct {
	node    node[T]
	view    *view.View
	history int
	done    chan struct{} // closed when run has returned
	mu      sync.Mutex    // held to replace state
	state   atomic.Pointer[state[T]]
}

// state is what a Value shows until changed is closed.
type state[T any] struct {
	Snapshot[T]               // the last good version
	history     []Snapshot[T] // the latest good versions, oldest first
	seen        session.Zxid  // of the latest write that was seen, valid or not
	epoch       uint64        // of seen; zxids of two epochs have no order, since servers can be restored in between
	data        []byte        // written by seen
	dataErr     error         // of data: nil or a *DecodeError
	bad         error         // why the node does not hold Snapshot now
	end         error         // set when the Value has ended
	changed     chan struct{}
}

// Open starts to follow the value at path and waits until it has been read or ctx is
// done. ctx bounds only this call. The caller must call Close.
//
// The error is session.ErrNoNode if the node does not exist, and a *DecodeError if it
// does not hold a value.
//
// Open takes one round trip, and so does every change. A single change is read
// immediately; of many, the latest every tenth of a second.
func Open[T any](ctx context.Context, s *session.Session, path string, c codec.Codec[T], opts ...Option) (*Value[T], error) {
	return open(ctx, s, path, c, nil, newOptions(opts))
}

// OpenOr is Open, but shows fallback until there is a good value. It is not an error if
// the node does not exist yet: Err is then nil. If the node holds invalid data, or is
// deleted after it was seen, Err returns the reason.
func OpenOr[T any](ctx context.Context, s *session.Session, path string, c codec.Codec[T], fallback T, opts ...Option) (*Value[T], error) {
	return open(ctx, s, path, c, &fallback, newOptions(opts))
}

func open[T any](ctx context.Context, s *session.Session, path string, c codec.Codec[T], fallback *T, o options) (*Value[T], error) {
	n := node[T]{s, path, c}
	if err := n.check(args.AtLeast(1, "the length of the history", o.history)); err != nil {
		return nil, err
	}
	vw, err := view.Open(ctx, s, path, view.Options{Package: "config", Closed: ErrClosed, Stale: ErrStale})
	if err != nil {
		return nil, err
	}
	v := &Value[T]{node: n, view: vw, history: o.history, done: make(chan struct{})}
	first := &state[T]{changed: make(chan struct{})}
	if fallback != nil {
		first.Value = *fallback
	}
	v.state.Store(first)
	snap := vw.Snapshot()
	v.observe(snap)
	if fallback == nil {
		err := v.state.Load().bad
		if !snap.Exists {
			err = v.opError("open", session.ErrNoNode)
		}
		if err != nil {
			vw.Close()
			return nil, err
		}
	}
	go v.run()
	return v, nil
}

func (v *Value[T]) opError(op string, err error) error {
	return &session.OpError{Package: "config", Op: op, Path: v.node.path, Err: err}
}

// run shows what the view shows, until the view ends.
func (v *Value[T]) run() {
	defer close(v.done)
	for snap, err := range v.view.Watch(context.Background()) {
		if err != nil {
			v.replace(func(now state[T]) (state[T], bool) { now.end = err; return now, true })
			return
		}
		v.observe(snap)
	}
}

// observe shows a snapshot of the node.
func (v *Value[T]) observe(snap *view.Snapshot) {
	switch n := snap.Root; {
	case n.Err != nil:
		v.replace(func(now state[T]) (state[T], bool) { return now.withRead(n.Err) })
	case !snap.Exists:
		v.replace(func(now state[T]) (state[T], bool) {
			if now.seen == 0 {
				return now, false // the node has never been seen
			}
			return now.withRead(v.opError("get", session.ErrNoNode))
		})
	default:
		v.replace(func(now state[T]) (state[T], bool) {
			older := n.Stat.Mzxid < now.seen && snap.Epoch() <= now.epoch // than a write of this Value
			same := n.Stat.Mzxid == now.seen && bytes.Equal(n.Data, now.data)
			if older || same {
				return now.withRead(now.dataErr)
			}
			now.seen, now.epoch, now.data = n.Stat.Mzxid, snap.Epoch(), n.Data
			good, err := v.node.decode(n.Data, n.Stat)
			return now.withWritten(good, err, v.history), true
		})
	}
}

// withRead returns s with another reason why it is not what is stored.
func (s state[T]) withRead(bad error) (state[T], bool) {
	if s.bad == nil && bad == nil || s.bad != nil && bad != nil && s.bad.Error() == bad.Error() {
		return s, false
	}
	s.bad = bad
	return s, true
}

// withWritten returns s after another write, whose zxid, epoch and data are set in s.
func (s state[T]) withWritten(good Snapshot[T], err error, keep int) state[T] {
	s.dataErr, s.bad = err, err
	if err == nil {
		s.Snapshot = good
		s.history = append(slices.Clone(s.history[max(0, len(s.history)+1-keep):]), good)
	}
	return s
}

// replace shows the state that next returns, if next reports that it differs.
func (v *Value[T]) replace(next func(state[T]) (state[T], bool)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	now := v.state.Load()
	st, differs := next(*now)
	if !differs {
		return
	}
	st.changed = make(chan struct{})
	v.state.Store(&st)
	close(now.changed)
}

// Load returns the last good value. It is one atomic load, so it may be called for
// every request.
func (v *Value[T]) Load() T { return v.state.Load().Value }

// Snapshot returns the last good value with its version.
func (v *Value[T]) Snapshot() Snapshot[T] { return v.state.Load().Snapshot }

// History returns the good versions that have been seen, oldest first; the last is the
// current one. It contains no fallback, and no version that was replaced before it was
// read. See WithHistory.
func (v *Value[T]) History() []Snapshot[T] { return slices.Clone(v.state.Load().history) }

// Err returns nil if Load returns what is stored, as far as the server has reported,
// and otherwise the reason why it may not: a *DecodeError; session.ErrNoNode or
// ErrNoAuth; ErrStale while there is no connection; ErrClosed; or session.ErrClosed.
func (v *Value[T]) Err() error {
	st := v.state.Load()
	if st.end != nil {
		return st.end
	}
	return joinStale(st.bad, v.view.Err())
}

// Changed returns a channel that is closed at the next change of what Watch yields,
// for select loops. Call Changed before Load, so that no change is missed. After the
// end of the Value the channel is never closed.
func (v *Value[T]) Changed() <-chan struct{} { return v.state.Load().changed }

// Watch yields the current version and then every new one. If the node is deleted,
// cannot be read, or does not hold a value, Watch yields the last good version again
// together with the reason, and continues. A slow reader skips versions that have been
// replaced in the meantime, delays no other reader, and always gets the latest.
//
// The loop ends after a pair whose error is the end of ctx, ErrClosed, or
// session.ErrClosed.
func (v *Value[T]) Watch(ctx context.Context) iter.Seq2[Snapshot[T], error] {
	return func(yield func(Snapshot[T], error) bool) {
		var shown *state[T]
		for {
			st := v.state.Load()
			switch {
			case ctx.Err() != nil:
				yield(st.Snapshot, v.opError("watch", context.Cause(ctx)))
				return
			case st.end != nil:
				yield(st.Snapshot, st.end)
				return
			case st != shown:
				if shown = st; !yield(st.Snapshot, st.bad) {
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

// Update is the function Update for this value. When it returns, Load returns what was
// written or a later value. If the node does not exist, fn is called with the last
// good value, or with the fallback.
func (v *Value[T]) Update(ctx context.Context, fn func(T) (T, error)) (Snapshot[T], error) {
	w, err := v.node.update(ctx, v.Load, fn)
	return v.written(w, err)
}

// Put is the function Put for this value. When it returns, Load returns what was
// written or a later value.
func (v *Value[T]) Put(ctx context.Context, value T, version int32) (Snapshot[T], error) {
	w, err := v.node.put(ctx, value, version)
	return v.written(w, v.node.explain(ctx, err, version))
}

// written shows the result of a write immediately, before a server notifies the view
// of it.
func (v *Value[T]) written(w writeResult[T], err error) (Snapshot[T], error) {
	if err == nil {
		v.replace(func(now state[T]) (state[T], bool) {
			older := w.epoch < now.epoch || w.epoch == now.epoch && w.Zxid <= now.seen
			if older || now.end != nil {
				return now, false
			}
			now.seen, now.epoch, now.data = w.Zxid, w.epoch, w.data
			return now.withWritten(w.Snapshot, nil, v.history), true
		})
		if w.Version == 0 { // the node was created, and may be deleted unseen
			v.view.Refresh()
		}
	}
	return w.Snapshot, err
}

// Close ends the view of the node. Load still returns the last good value. Close may be
// called again.
func (v *Value[T]) Close() {
	v.view.Close()
	<-v.done
}
