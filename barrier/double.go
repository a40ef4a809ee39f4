package barrier

import (
	"context"
	"errors"
	"fmt"

	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/internal/recipe/run"
	"github.com/zkrecipes/zkrecipes/session"
)

// Double is a double barrier for n members. It holds no state, so one value may be
// used by many goroutines and for one round after another. Each Enter is a separate
// member, also within a process.
type Double struct {
	session  *session.Session
	path     string
	n        int
	layout   Layout
	data     []byte
	behavior lease.Behavior
	argErr   error // of NewDouble; every call returns it
}

// NewDouble returns the double barrier at path for n members. All clients that use it
// must agree on n. NewDouble sends nothing.
//
// Members may use this library, Curator's DistributedDoubleBarrier or Kazoo's
// DoubleBarrier. If one of them uses another library, the promises of Enter hold only
// as long as no member dies, loses its connection or gives up while others enter or
// wait.
func NewDouble(s *session.Session, path string, n int, opts ...Option) *Double {
	o := newOptions(opts)
	return &Double{
		session: s, path: path, n: n, layout: o.layout,
		argErr:   o.check(s, path, args.AtLeast(1, "the number of members", n)),
		data:     []byte(o.id),
		behavior: lease.Behavior{Lost: ErrLost, Released: ErrLeft, LoseOnSuspend: o.loseOnSuspend, StopTime: o.stopTime},
	}
}

// Enter blocks until n members have arrived and a round begins with them, or ctx is
// done. A round begins with all of them or not at all: a member that has given up, or
// whose session has ended, does not count. If the barrier already has n members,
// waiting or in a round that they have not left, the error is ErrFull.
//
// If ctx is done first, Enter withdraws and returns an error that wraps
// context.Cause(ctx). If a round has begun with this member at that moment, Enter
// returns the entry after all, so that all members agree. It takes a round trip to
// find out; Enter waits for it until the connection breaks, but at most one second. If
// Enter cannot find out, the error wraps session.ErrUnknown as well, and if a round
// has begun, this member leaves it immediately. In every case the node is deleted, in
// the background if necessary.
//
// The wait survives reconnects. If the session ends during the wait, Enter finds out
// whether a round has begun with this member. If none has, it enters again in the next
// session. If one has, the error is ErrLost. If it cannot find out, because several
// rounds have begun in the meantime or the path was deleted, the error is
// session.ErrUnknown. Errors that do not go away by waiting, such as
// session.ErrNoAuth, are returned immediately.
//
// The last member to arrive takes three round trips: a read of the path, the creation
// of an ephemeral node with a list of its siblings, and the transaction that begins
// the round. A member that waits takes the first two, sets watches on the path, its
// own node and ready, and takes one more to read who is in the round.
func (d *Double) Enter(ctx context.Context) (*Entry, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	for {
		e, err := d.session.Epoch(ctx)
		if err != nil {
			return nil, d.failed(err)
		}
		m := d.newMember(e)
		err = m.enter(ctx)
		if err != nil {
			err = m.abort(ctx, err)
		}
		if err == nil {
			return m.entry(ctx), nil
		}
		m.stopWatching()
		if !errors.Is(err, errReenter) {
			return nil, err
		}
	}
}

// Do enters, calls fn and leaves. The context passed to fn is canceled when ctx is done
// and when the entry is lost. In either case Do waits until fn has returned before it
// leaves. Do returns nil only if fn returned nil, the entry was not lost, and all
// members of the round have left.
//
// If fn returns an error or panics, or if ctx is done, Do leaves without waiting for
// the other members. If ctx is done before fn is called, fn is not called, and the
// error wraps context.Cause(ctx). Otherwise Do returns the result of fn, joined with a
// loss or the error of Leave. If fn leaves itself, that is not an error.
func (d *Double) Do(ctx context.Context, fn func(context.Context, *Entry) error) error {
	op := session.OpError{Package: "barrier", Op: "do", Path: d.path}
	if err := run.Check(op, fn == nil); err != nil {
		return err
	}
	e, err := d.Enter(ctx)
	if err != nil {
		return err
	}
	return run.While(ctx, op, doEntry{e}, func(fctx context.Context, _ doEntry) error {
		if err := fn(fctx, e); err != nil || e.Err() != nil {
			return err
		}
		if ctx.Err() != nil {
			return e.failed(context.Cause(ctx))
		}
		return e.Leave(ctx)
	})
}

// doEntry is the entry of Do. Its release ends with the epoch: after that there is
// nothing to delete.
type doEntry struct{ *Entry }

func (e doEntry) Release(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ep := e.l.Epoch()
	defer context.AfterFunc(ep.Context(), func() { cancel(ep.Err()) })()
	return e.Entry.Release(ctx)
}

// check refuses what the server would refuse: an invalid path, and more members than
// fit into one transaction.
func (d *Double) check() error {
	if d.argErr != nil {
		return d.argErr
	}
	const few = 1000 // always fit, unless the path itself is much too long
	if d.n < few {
		return nil
	}
	names := make([]string, d.n)
	for i := range names {
		names[i] = session.GUID()
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel() // nothing is sent
	if _, err := d.session.Txn(ended, d.beginOps(names, 0)...); errors.Is(err, session.ErrInvalid) {
		return d.failed(fmt.Errorf("%w: %d members do not fit into one transaction", session.ErrInvalid, d.n))
	}
	return nil
}

func (d *Double) failed(err error) error {
	return &session.OpError{Package: "barrier", Op: "enter", Path: d.path, Err: err}
}

func (d *Double) ready() string { return session.Join(d.path, d.layout.ready()) }

func (d *Double) node(name string) string { return session.Join(d.path, name) }

// members returns the names in children that are names of members.
func (d *Double) members(children []string) (names []string) {
	for _, c := range children {
		if d.layout.member(c) {
			names = append(names, c)
		}
	}
	return names
}
