package barrier

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/cas"
	"github.com/zkrecipes/zkrecipes/session"
)

// Latch is a count-down latch: calls of Wait return once CountDown was called n times,
// by any processes. It holds no state, so one value may be used by many goroutines.
//
// Use a Latch to wait for a number of events, and a Double to wait for a number of
// processes: a process that ends after its CountDown still counts.
//
// # Layout
//
// The node at path holds the remaining count and n, as "2/3". The first call creates
// it. It stays when the count is 0. A Latch is used once: after its node was deleted,
// the next call starts over with n.
type Latch struct {
	session *session.Session
	path    string
	n       int
	argErr  error // of NewLatch: what every call returns
}

// ErrCount is returned if the latch was created with a different n.
var ErrCount = errors.New("barrier: the latch has a different count")

// NewLatch names the latch at path, for n calls of CountDown. All users of a latch must
// use the same n. Nothing is sent.
func NewLatch(s *session.Session, path string, n int) *Latch {
	return &Latch{session: s, path: path, n: n, argErr: args.Check("barrier", s, path, args.AtLeast(1, "the count", n))}
}

// CountDown lowers the count by one, once per call; at 0 it has no effect.
//
// The error is session.ErrUnknown if ctx or the session ends before it is known
// whether the count was lowered. After any other error it was not. ErrCount and
// codec.ErrMalformed say that the node belongs to something else.
//
// It takes two round trips, a read and a transaction, and two more each time that
// another process was faster.
func (l *Latch) CountDown(ctx context.Context) error {
	return l.update(ctx, "count down", func(n session.Node) ([]byte, error) {
		left, err := l.left(n)
		if left == 0 || err != nil {
			return nil, err
		}
		return l.data(left - 1), nil
	})
}

// Count returns the remaining count. It sees every CountDown that was complete before
// the call. It takes two round trips, a sync and a read.
func (l *Latch) Count(ctx context.Context) (left int, err error) {
	if l.argErr != nil {
		return 0, l.argErr
	}
	if err := l.session.Sync(ctx, l.path); err != nil {
		return 0, err
	}
	return session.InEpoch(ctx, l.session, l.op("read"), func(e *session.Epoch) (int, error) {
		nodes, err := e.Nodes(ctx, l.path)
		if err != nil {
			return 0, err
		}
		return l.left(nodes[0])
	})
}

// Wait blocks until the count is 0. It survives reconnects and the end of ZooKeeper
// sessions. If ctx is done first, the error wraps context.Cause(ctx).
//
// It takes one round trip, and one for each CountDown that it is notified of. If there
// is no node, it creates the node.
func (l *Latch) Wait(ctx context.Context) error {
	if l.argErr != nil {
		return l.argErr
	}
	for {
		exists, err := session.InEpoch(ctx, l.session, l.op("wait for"), func(e *session.Epoch) (bool, error) {
			return l.wait(ctx, e)
		})
		if exists || err != nil {
			return err
		}
		err = l.update(ctx, "wait for", func(n session.Node) ([]byte, error) {
			if n.Err == nil { // it exists now
				return nil, nil
			}
			return l.data(l.n), nil
		})
		if err != nil && !errors.Is(err, session.ErrUnknown) || ctx.Err() != nil {
			return err
		}
	}
}

// wait blocks until the count is 0, or returns false if there is no node.
func (l *Latch) wait(ctx context.Context, e *session.Epoch) (exists bool, err error) {
	for {
		nodes, err := e.WatchNodes(ctx, l.path)
		if err != nil {
			return false, err
		}
		n := nodes[0]
		if errors.Is(n.Err, session.ErrNoNode) {
			return false, nil
		}
		left, err := l.left(n)
		if left == 0 || err != nil {
			n.Watch.Close()
			return true, err
		}
		if err := n.Watch.Wait(ctx); err != nil {
			return true, err
		}
	}
}

// update changes the latch's node by compare-and-set.
func (l *Latch) update(ctx context.Context, op string, change func(session.Node) ([]byte, error)) error {
	if l.argErr != nil {
		return l.argErr
	}
	return cas.Update(ctx, l.session, l.op(op), l.path, change)
}

func (l *Latch) op(op string) session.OpError {
	return session.OpError{Package: "barrier", Op: op, Path: l.path}
}

// data is the content of the node at a remaining count.
func (l *Latch) data(left int) []byte { return fmt.Appendf(nil, "%d/%d", left, l.n) }

// left returns the remaining count by a node as it was read.
func (l *Latch) left(n session.Node) (int, error) {
	if errors.Is(n.Err, session.ErrNoNode) {
		return l.n, nil
	}
	if n.Err != nil {
		return 0, n.Err
	}
	op := l.op("read")
	remaining, initial, _ := strings.Cut(string(n.Data), "/")
	left, err := strconv.Atoi(remaining)
	total, terr := strconv.Atoi(initial)
	switch {
	case err != nil || terr != nil || left < 0 || left > total || string(n.Data) != fmt.Sprintf("%d/%d", left, total):
		op.Err = fmt.Errorf("%w: %.40q is not the data of a latch", codec.ErrMalformed, n.Data)
	case total != l.n:
		op.Err = fmt.Errorf("%w: %d, not %d", ErrCount, total, l.n)
	default:
		return left, nil
	}
	return 0, &op
}
