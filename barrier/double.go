package barrier

import (
	"context"
	"errors"
	"fmt"

	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/session"
)

// Double names a double barrier. It holds no state, so one value may be used by
// many goroutines, and again for round after round; each Enter is a member of its
// own, also within a process.
type Double struct {
	session  *session.Session
	path     string
	n        int
	layout   Layout
	data     []byte
	behavior lease.Behavior
	argErr   error // of NewDouble: what every call returns
}

// NewDouble names the double barrier at path, for n members. All who use it must
// agree on n. They may use this library, Curator's DistributedDoubleBarrier and
// Kazoo's DoubleBarrier, but as soon as one of them does not use this one, what
// is said of rounds on Enter holds only as long as nobody dies, loses his
// connection or gives up while others come or wait.
//
// Nothing is sent.
func NewDouble(s *session.Session, path string, n int, opts ...Option) *Double {
	o := newOptions(opts)
	return &Double{
		session: s, path: path, n: n, layout: o.layout,
		argErr:   o.check(s, path, args.AtLeast(1, "the number of members", n)),
		data:     []byte(o.id),
		behavior: lease.Behavior{Lost: ErrLost, Released: ErrLeft, LoseOnSuspend: o.loseOnSuspend, StopTime: o.stopTime},
	}
}

// Enter waits until n members are there, and a round begins with them. It begins
// with all of them or not at all: whoever has given up, or whose session is over,
// does not count. Whoever comes to a barrier that has n members, some of which may
// wait and some be in a round and not have left yet, gets ErrFull.
//
// When ctx ends first, Enter withdraws and returns its cause in an error. If a
// round has begun with this member just then, which takes a round trip to find
// out, Enter returns the entry after all, so that all members agree; it waits for
// that until the connection breaks, but not longer than a second. If it cannot be
// found out by then, the error is session.ErrUnknown as well, and should a round
// have begun, this member leaves it at once. In any case it leaves no node behind,
// if need be by removing it in the background.
//
// The wait survives reconnects. When the session ends while it waits, Enter makes
// sure that no round has begun with this member, and goes on in the next session.
// If one has, the error is ErrLost. If that cannot be told, because several rounds
// have begun meanwhile or the path itself has gone, it is session.ErrUnknown.
// Errors that waiting does not mend, such as session.ErrNoAuth, are returned at
// once.
//
// The last to come takes three round trips: a read of the path, the creation of an
// ephemeral node with a list of its siblings, and the transaction with which the
// round begins. Those who wait have made the first two, watch the path, their own
// node and ready, and take one more to read who is in the round.
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

// check refuses what the server would: a path that it does not allow, and more
// members than one transaction can be about.
func (d *Double) check() error {
	if d.argErr != nil {
		return d.argErr
	}
	const few = 1000 // always fit, unless the path itself is far too long
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
		return d.failed(fmt.Errorf("%w: no transaction can be about %d members", session.ErrInvalid, d.n))
	}
	return nil
}

func (d *Double) failed(err error) error {
	return &session.OpError{Package: "barrier", Op: "enter", Path: d.path, Err: err}
}

func (d *Double) ready() string { return session.Join(d.path, d.layout.ready()) }

func (d *Double) node(name string) string { return session.Join(d.path, name) }

// members picks the members out of a list of children.
func (d *Double) members(children []string) (names []string) {
	for _, c := range children {
		if d.layout.member(c) {
			names = append(names, c)
		}
	}
	return names
}
