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
// The node at path holds the remaining count and n, as "2/3". The first CountDown
// creates it. It stays when the count is 0. A Latch is used once: delete its node after
// all calls have returned. A CountDown after that starts over with n, and one at the
// same time may be lost.
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
// The error is session.ErrUnknown if a reply is lost and its outcome cannot be found
// out, because ctx or the session has ended or the session has no receipts (see
// session.WithReceipts). After any other error the count was not lowered. ErrCount and
// codec.ErrMalformed say that the node does not belong to this latch.
//
// It takes two round trips, a read and a transaction, two more for each conflict with
// another process, and two more if the ancestors of the node do not exist. From the
// second conflict on it pauses before it retries, for at most 250 ms.
func (l *Latch) CountDown(ctx context.Context) error {
	if l.argErr != nil {
		return l.argErr
	}
	_, err := cas.Update(ctx, l.session, l.op("count down"), l.path, func(n session.Node) ([]byte, error) {
		left, err := l.left(n)
		if left == 0 || err != nil {
			return nil, err
		}
		return l.data(left - 1), nil
	})
	return l.failed("count down", err)
}

// Count returns the remaining count. It sees every CountDown that was complete before
// the call. It takes two round trips, a sync and a read.
func (l *Latch) Count(ctx context.Context) (left int, err error) {
	if l.argErr != nil {
		return 0, l.argErr
	}
	left, err = session.InEpoch(ctx, l.session, l.op("read"), func(e *session.Epoch) (int, error) {
		if err := e.Sync(ctx, l.path); err != nil {
			return 0, err
		}
		nodes, err := e.Nodes(ctx, l.path)
		if err != nil {
			return 0, err
		}
		return l.left(nodes[0])
	})
	return left, l.failed("read", err)
}

// Wait blocks until the count is 0. It survives reconnects and the end of ZooKeeper
// sessions. If ctx is done first, the error wraps context.Cause(ctx). If the node is
// deleted while Wait blocks, the error wraps session.ErrNoNode.
//
// It takes one round trip, and one for each CountDown that it is notified of. If there
// is no node yet, it takes one more to wait for the node.
func (l *Latch) Wait(ctx context.Context) error {
	if l.argErr != nil {
		return l.argErr
	}
	seen := false // the node
	_, err := session.InEpoch(ctx, l.session, l.op("wait for"), func(e *session.Epoch) (struct{}, error) {
		return struct{}{}, l.wait(ctx, e, &seen)
	})
	return l.failed("wait for", err)
}

// wait is Wait within one epoch.
func (l *Latch) wait(ctx context.Context, e *session.Epoch, seen *bool) error {
	for {
		nodes, err := e.WatchNodes(ctx, l.path)
		if err != nil {
			return err
		}
		n := nodes[0]
		watch := n.Watch
		switch missing := errors.Is(n.Err, session.ErrNoNode); {
		case missing && *seen:
			op := l.op("wait for")
			op.Err = fmt.Errorf("%w: the latch was deleted", session.ErrNoNode)
			return &op
		case missing:
			var exists bool
			if _, exists, watch, err = e.WatchExists(ctx, l.path); err != nil {
				return err
			}
			if exists {
				watch.Close()
				continue
			}
		default:
			*seen = true
			if left, err := l.left(n); left == 0 || err != nil {
				watch.Close()
				return err
			}
		}
		if err := watch.Wait(ctx); err != nil {
			return err
		}
	}
}

func (l *Latch) op(op string) session.OpError {
	return session.OpError{Package: "barrier", Op: op, Path: l.path}
}

// failed wraps an error of package session, so that its text names package barrier.
func (l *Latch) failed(what string, err error) error {
	var oe *session.OpError
	if err == nil || errors.As(err, &oe) && oe.Package == "barrier" {
		return err
	}
	op := l.op(what)
	op.Err = err
	return &op
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
