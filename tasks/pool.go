package tasks

import (
	"context"
	"errors"
	"fmt"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/session"
)

// Pool is a pool of tasks at a path. It holds no state: one value may be used by
// several goroutines, and for clients, workers and masters.
type Pool[In, Out any] struct {
	pool pool
	in   codec.Codec[In]
	out  codec.Codec[Out]
}

// pool is the part of a Pool that does not depend on the types of its tasks.
type pool struct {
	paths    paths
	opts     options
	session  *session.Session
	codecErr error // not nil if a codec is nil
}

// New returns the pool at path. in encodes the tasks, out their results. New sends
// nothing.
func New[In, Out any](s *session.Session, path string, in codec.Codec[In], out codec.Codec[Out], opts ...Option) *Pool[In, Out] {
	err := args.NotNil("a codec", in == nil || out == nil)
	return &Pool[In, Out]{pool{paths{path}, newOptions(opts), s, err}, in, out}
}

// MaxSize returns how many bytes an encoded task or result may have. It is the
// session's MaxPayload, which follows session.WithMaxBuffer.
func (p *Pool[In, Out]) MaxSize() int { return p.pool.session.MaxPayload() }

// Submit adds a task, exactly once per call, and returns after the task was
// created. It does not need a master or a worker.
//
// A task of more than MaxSize bytes is refused with session.ErrInvalid. If ctx or
// the ZooKeeper session ends before the outcome is known, the error is
// session.ErrUnknown. It is also session.ErrUnknown if the task was submitted, but
// the reply was lost and the id could not be looked up, because ctx is done, or
// because the task was removed or the session closed before that; in the last two
// cases the error wraps ErrNoTask as well. After any other error the task was not
// submitted.
//
// After the last sequence number, 2147483647, servers repeat that number. Submit
// then fails with session.ErrSequenceEnd while the task of that number exists, that
// is, until it has finished and the master has removed it; see WithRetention.
//
// Submit takes one round trip. The first call in a pool also creates the pool's
// nodes.
func (p *Pool[In, Out]) Submit(ctx context.Context, in In) (*Ticket[Out], error) {
	if err := p.pool.usable("submit"); err != nil {
		return nil, err
	}
	data, err := p.in.Encode(in)
	if err != nil {
		return nil, &session.OpError{Package: "tasks", Op: "submit to", Path: p.pool.paths.path, Err: err}
	}
	if len(data) > p.MaxSize() {
		return nil, &session.OpError{Package: "tasks", Op: "submit to", Path: p.pool.paths.path,
			Err: fmt.Errorf("%w: task has %d bytes, which is over the limit of %d", session.ErrInvalid, len(data), p.MaxSize())}
	}
	for {
		r, err := session.InEpoch(ctx, p.pool.session, session.OpError{Package: "tasks", Op: "submit to", Path: p.pool.paths.path}, func(e *session.Epoch) ([]session.Result, error) {
			return e.TxnDetached(ctx, nil, session.OpCreate(p.pool.paths.task(taskPrefix), data, session.Sequential()))
		})
		switch {
		case err == nil && r[0].Path == "": // committed, but the reply was lost and the name could not be looked up
			return nil, &session.OpError{Package: "tasks", Op: "submit to", Path: p.pool.paths.path, Err: p.pool.unnamed(ctx)}
		case err == nil:
			_, id := session.Split(r[0].Path)
			return &Ticket[Out]{&p.pool, p.out, id, r[0].Stat.Czxid}, nil
		case errors.Is(err, session.ErrUnknown):
			return nil, err
		case errors.Is(err, session.ErrNoNode):
			if err := p.pool.createNodes(ctx); err != nil {
				return nil, err
			}
		case !errors.Is(err, session.ErrExpired):
			return nil, err
		}
	}
}

// Ticket returns the ticket of a task that was submitted earlier, possibly by
// another process. It sends nothing, and does not check whether the task exists.
func (p *Pool[In, Out]) Ticket(id string) *Ticket[Out] {
	return &Ticket[Out]{&p.pool, p.out, id, 0}
}

// unnamed returns the error of a Submit that was committed, but has no id to return. It
// wraps session.ErrUnknown, so that the caller does not simply submit the task again.
func (c *pool) unnamed(ctx context.Context) error {
	reason := ErrNoTask
	if ctx.Err() != nil {
		reason = context.Cause(ctx)
	}
	return fmt.Errorf("%w: the task was submitted, but its id could not be looked up: %w", session.ErrUnknown, reason)
}

// usable returns an error if an argument of New is invalid.
func (c *pool) usable(op string) error {
	err := args.Check("tasks", c.session, c.paths.path, c.codecErr, args.AtLeast(1, "the number of attempts", c.opts.maxAttempts))
	if err != nil {
		return &session.OpError{Package: "tasks", Op: op, Path: c.paths.path, Err: errors.Unwrap(err)}
	}
	return nil
}

// createNodes creates the pool's nodes. They are not containers: a server deletes
// empty containers, and the numbers of tasks would then start again.
func (c *pool) createNodes(ctx context.Context) error {
	for _, path := range []string{c.paths.tasks(), c.paths.workers(), c.paths.inboxes()} {
		if err := c.ensureNode(ctx, path, nil); err != nil {
			return err
		}
	}
	return nil
}

// ensureNode creates a persistent node unless it exists.
func (c *pool) ensureNode(ctx context.Context, path string, data []byte) error {
	for {
		_, _, err := c.session.Create(ctx, path, data, session.Parents())
		switch {
		case err == nil, errors.Is(err, session.ErrNodeExists):
			return nil
		case errors.Is(err, session.ErrUnknown) && ctx.Err() == nil: // try again
		default:
			return err
		}
	}
}
