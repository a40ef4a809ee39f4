package session

import (
	"context"

	"github.com/zkrecipes/zkrecipes/internal/client/channel"
	"github.com/zkrecipes/zkrecipes/internal/client/conn"
)

// Watch waits for the next change of one node or of its children. Close it unless it has
// fired. All Watches of an epoch for the same node and the same kind of change (of the
// node itself, or of its children) share one watch on the server, which is removed with
// the last of them.
type Watch struct {
	epoch *Epoch
	watch conn.Watch
}

// Fired returns a channel that is closed at the change. If the change happens while the
// session is suspended, the channel is closed when the session is connected again. The
// channel of a nil Watch is nil.
//
// The channel is not closed when the epoch ends: a select loop must wait for
// Epoch.Context as well, as Wait does.
func (w *Watch) Fired() <-chan struct{} {
	if w == nil {
		return nil
	}
	return w.watch.Fired()
}

// HasFired reports whether w has fired. A nil Watch has not.
func (w *Watch) HasFired() bool {
	return channel.IsClosed(w.Fired())
}

// Wait blocks until w has fired and closes w. If ctx is done first, the error is an
// OpError that wraps context.Cause(ctx); if the epoch ends first, the error is the
// cause of Epoch.Context, which wraps ErrExpired or ErrClosed.
func (w *Watch) Wait(ctx context.Context) error {
	defer w.Close()
	select {
	case <-w.Fired():
		return nil
	case <-ctx.Done():
		return &OpError{Op: "wait for", Path: w.epoch.session.root.rel(w.watch.Path()), Err: context.Cause(ctx)}
	case <-w.epoch.ctx.Done():
		return context.Cause(w.epoch.ctx)
	}
}

// Notify makes w send to wakeup when it fires, or immediately if it has fired already. It
// does not block on the channel: with a capacity of one, a single channel serves any
// number of watches, and the receiver checks which of them have fired. A closed watch
// sends nothing.
func (w *Watch) Notify(wakeup chan<- struct{}) { w.watch.Notify(wakeup) }

// SameConnection reports, for a watch that has fired, whether its event arrived on the
// connection of the read that returned w, without a reconnect in between. Then the event
// was delivered in the order of all changes: the events of all earlier changes were
// delivered before it.
func (w *Watch) SameConnection() bool { return w.watch.SameConnection() }

// Deleted reports, for a watch that has fired, whether the node was deleted.
func (w *Watch) Deleted() bool { return w.watch.Deleted() }

// Close removes the watch. It must be called unless w has fired, and may be called in any
// case, also if w is nil.
func (w *Watch) Close() {
	if w != nil {
		w.watch.Close()
	}
}
