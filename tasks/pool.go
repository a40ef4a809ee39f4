package tasks

import (
	"context"
	"errors"
	"fmt"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/session"
)

// Pool names a pool of tasks at a path. It holds no state, so one value may be used
// by many goroutines, for all three parts.
type Pool[In, Out any] struct {
	pool pool
	in   codec.Codec[In]
	out  codec.Codec[Out]
}

// pool is what there is of a pool without the types of its tasks.
type pool struct {
	paths    paths
	opts     options
	session  *session.Session
	codecErr error // if a codec is nil
}

// New names the pool at path, whose tasks are encoded by in, and their results by
// out. Nothing is sent.
func New[In, Out any](s *session.Session, path string, in codec.Codec[In], out codec.Codec[Out], opts ...Option) *Pool[In, Out] {
	err := args.NotNil("a codec", in == nil || out == nil)
	return &Pool[In, Out]{pool{paths{path}, newOptions(opts), s, err}, in, out}
}

// MaxSize is how many bytes a task, and a result, may have when encoded. It is the
// session's MaxPayload, which follows session.WithMaxBuffer.
func (p *Pool[In, Out]) MaxSize() int { return p.pool.session.MaxPayload() }

// Submit adds a task, exactly once per call, and returns when it is there. Whether
// there is a master or a worker does not matter.
//
// Where servers have given out the last sequence number, 2147483647, they repeat it.
// Submit then fails with session.ErrSequenceEnd while the task of that number is
// there, that is, until it has finished and the master has removed it; see Keep.
//
// A task of more than MaxSize bytes is a session.ErrInvalid. session.ErrUnknown says
// that ctx or the ZooKeeper session has ended before it was known whether the task
// is there; after any other error it is not.
//
// It takes one round trip; the first in a pool makes the pool's nodes.
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
			Err: fmt.Errorf("%w: a task of %d bytes, which is over the limit of %d", session.ErrInvalid, len(data), p.MaxSize())}
	}
	for {
		r, err := session.InEpoch(ctx, p.pool.session, session.OpError{Package: "tasks", Op: "submit to", Path: p.pool.paths.path}, func(e *session.Epoch) ([]session.Result, error) {
			return e.TxnDetached(ctx, nil, session.OpCreate(p.pool.paths.task(taskPrefix), data, session.Sequential()))
		})
		switch {
		case err == nil && r[0].Path == "": // the reply was lost, and the task is not there any more
			return nil, &session.OpError{Package: "tasks", Op: "submit to", Path: p.pool.paths.path, Err: ErrNoTask}
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

// Ticket is that of a task that was submitted before, in another process perhaps.
// Nothing is sent, not even to see whether there is such a task.
func (p *Pool[In, Out]) Ticket(id string) *Ticket[Out] {
	return &Ticket[Out]{&p.pool, p.out, id, 0}
}

// usable refuses a pool that was made in a wrong way.
func (c *pool) usable(op string) error {
	err := args.Check("tasks", c.session, c.paths.path, c.codecErr, args.AtLeast(1, "the number of attempts", c.opts.maxAttempts))
	if err != nil {
		return &session.OpError{Package: "tasks", Op: op, Path: c.paths.path, Err: errors.Unwrap(err)}
	}
	return nil
}

// createNodes makes the pool's nodes. They are not containers, of which a server removes
// the empty ones, since the numbers of tasks would begin anew.
func (c *pool) createNodes(ctx context.Context) error {
	for _, path := range []string{c.paths.tasks(), c.paths.workers(), c.paths.inboxes()} {
		if err := c.ensureNode(ctx, path, nil); err != nil {
			return err
		}
	}
	return nil
}

// ensureNode makes a persistent node unless it is there.
func (c *pool) ensureNode(ctx context.Context, path string, data []byte) error {
	for {
		_, _, err := c.session.Create(ctx, path, data, session.Parents())
		switch {
		case err == nil, errors.Is(err, session.ErrNodeExists):
			return nil
		case errors.Is(err, session.ErrUnknown) && ctx.Err() == nil: // again, then
		default:
			return err
		}
	}
}
