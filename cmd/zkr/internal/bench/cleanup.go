package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/batch"
	"github.com/zkrecipes/zkrecipes/session"
)

// root is the node below which a benchmark works, and those of its ancestors that did
// not exist before. All methods use the session of the command.
type root struct {
	s         *session.Session
	path      string
	ancestors []string // the missing ones, the deepest first
	sent      bool     // a request to create nodes was sent
	progress  Progress
}

// create creates the node. The root is a container, so servers remove it if the process
// is killed, once nothing is left below it.
func (r *root) create(ctx context.Context) error {
	for p, _ := session.Split(r.path); p != "/"; p, _ = session.Split(p) {
		_, exists, err := r.s.Exists(ctx, p)
		if err != nil {
			return err
		}
		if exists {
			break
		}
		r.ancestors = append(r.ancestors, p)
	}
	r.sent = true
	_, _, err := r.s.Create(ctx, r.path, nil, session.Container(), session.Parents())
	return err
}

// remove deletes the node with all nodes below it, and the ancestors that create has
// created if they have no other children. It retries until it has succeeded, ctx is done,
// or retries cannot help.
func (r *root) remove(ctx context.Context) error {
	for r.sent {
		err := r.tryRemove(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil || permanent(err) {
			return &LeftError{r.path, err}
		}
		pause(ctx, r.s)
	}
	return nil
}

func (r *root) tryRemove(ctx context.Context) error {
	if err := r.removeTree(ctx, r.path); err != nil {
		return err
	}
	for _, p := range r.ancestors {
		err := r.s.Delete(ctx, p, session.AnyVersion)
		if err != nil && !errors.Is(err, session.ErrNoNode) && !errors.Is(err, session.ErrNotEmpty) {
			return err
		}
	}
	return nil
}

// LeftError is returned if nodes of a benchmark may be left.
type LeftError struct {
	Path string
	Err  error
}

func (e *LeftError) Error() string { return fmt.Sprintf("%s may be left: %v", e.Path, e.Err) }
func (e *LeftError) Unwrap() error { return e.Err }

// maxDeletes is the largest number of nodes that one transaction deletes.
const maxDeletes = 200

// removeTree deletes a node and all nodes below it. Nodes that other sessions create at
// the same time are deleted as well.
func (r *root) removeTree(ctx context.Context, path string) error {
	for {
		names, _, err := r.s.Children(ctx, path)
		if errors.Is(err, session.ErrNoNode) {
			return nil
		}
		if err != nil {
			return err
		}
		for len(names) > 0 {
			n := min(len(names), maxDeletes)
			if err := r.removeChildren(ctx, path, names[:n]); err != nil {
				return err
			}
			r.progress.Add(int64(n))
			names = names[n:]
		}
		err = r.s.Delete(ctx, path, session.AnyVersion)
		if err == nil || errors.Is(err, session.ErrNoNode) {
			return nil
		}
		if !errors.Is(err, session.ErrNotEmpty) {
			return err
		}
	}
}

// removeChildren deletes children of path. Those without children are deleted in one
// transaction.
func (r *root) removeChildren(ctx context.Context, path string, names []string) error {
	ws := make([]batch.Write, len(names))
	for i, name := range names {
		ws[i].Delete(session.Join(path, name), session.AnyVersion)
	}
	errs := batch.Apply(ws, batch.Limits{Writes: maxDeletes, Bytes: batch.HalfBuffer(r.s)}, func(ops []session.Op) error {
		_, err := r.s.Txn(ctx, ops...)
		return err
	}, nil)
	for i, err := range errs {
		switch child := session.Join(path, names[i]); {
		case errors.Is(err, session.ErrNotEmpty):
			err = r.removeTree(ctx, child)
		case errors.Is(err, session.ErrUnsupported): // the servers have no transactions
			err = r.removeTree(ctx, child)
		}
		if err != nil && !errors.Is(err, session.ErrNoNode) {
			return err
		}
	}
	return nil
}

// permanent reports whether an operation that has failed with err will fail again.
func permanent(err error) bool {
	for _, e := range []error{
		session.ErrInvalid, session.ErrClosed, session.ErrNoAuth, session.ErrAuthFailed, session.ErrUnsupported,
		session.ErrQuota, session.ErrTooLarge, session.ErrRejected, session.ErrSequenceEnd, session.ErrNoOwner,
		session.ErrNoChildrenForEphemerals, session.ErrInvalidACL,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// retryPause is the time between a failed operation and the next attempt.
const retryPause = 100 * time.Millisecond

// pause waits for the connection of a session, and a moment longer so that an operation
// that fails immediately is not repeated without a pause.
func pause(ctx context.Context, s *session.Session) {
	timer := time.NewTimer(retryPause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	_ = s.Ready(ctx) // the next operation returns its error
}

// NewPath returns the path of a new node for a benchmark below parent.
func NewPath(parent string) string {
	return session.Join(parent, "zkr-bench-"+strings.ReplaceAll(session.GUID(), "-", ""))
}
