package election

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/internal/recipe/line"
	"github.com/zkrecipes/zkrecipes/session"
)

// lineContest elects the first contender in a line.
type lineContest struct{ line line.Line }

func (c *lineContest) acquire(ctx context.Context, data []byte) (lease.Acquired, error) {
	l := c.line
	l.Data = data
	return l.Acquire(ctx)
}

func (c *lineContest) tryAcquire(ctx context.Context, data []byte) (lease.Acquired, *lease.Taken, error) {
	l := c.line
	l.Data = data
	return l.TryAcquire(ctx)
}

func (c *lineContest) holder(ctx context.Context, e *session.Epoch) (string, error) {
	names, err := e.Children(ctx, c.line.Path)
	if errors.Is(err, session.ErrNoNode) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return c.line.First(ctx, e, names)
}

func (c *lineContest) watchVacant(ctx context.Context, e *session.Epoch) (*session.Watch, error) {
	names, _, w, err := e.WatchChildren(ctx, c.line.Path)
	if errors.Is(err, session.ErrNoNode) {
		return watchAbsent(ctx, e, c.line.Path)
	}
	if err != nil {
		return nil, err
	}
	if first, err := c.line.First(ctx, e, names); first != "" || err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func (c *lineContest) nodes(ctx context.Context) ([]session.Node, error) {
	inLine, err := c.line.Nodes(ctx)
	if err != nil {
		return nil, err
	}
	nodes := make([]session.Node, len(inLine))
	for i, n := range inLine {
		nodes[i] = n.Node
	}
	return nodes, nil
}

func (c *lineContest) has(path string) bool { return c.line.Has(path) }

// fixedContest elects the session that creates one ephemeral node.
type fixedContest struct {
	session    *session.Session
	path, node string
	stopTime   time.Duration
}

// check returns an error if path is invalid, or if node is not a child of path: if its
// name is empty or has several elements.
func (c *fixedContest) check() error {
	if err := session.CheckPath(c.path); err != nil {
		return err
	}
	if parent, name := session.Split(c.node); parent != c.path || name == "" {
		return &session.OpError{Package: "election", Op: "use", Path: c.node, Err: fmt.Errorf("%w: not a child of %s", session.ErrInvalid, c.path)}
	}
	return session.CheckPath(c.node)
}

func (c *fixedContest) acquire(ctx context.Context, data []byte) (lease.Acquired, error) {
	if err := c.check(); err != nil {
		return lease.Acquired{}, err
	}
	return c.fixedNode().Acquire(ctx, data)
}

func (c *fixedContest) tryAcquire(ctx context.Context, data []byte) (lease.Acquired, *lease.Taken, error) {
	if err := c.check(); err != nil {
		return lease.Acquired{}, nil, err
	}
	return c.fixedNode().TryAcquire(ctx, data)
}

func (c *fixedContest) fixedNode() lease.FixedNode {
	return lease.FixedNode{Package: "election", Session: c.session, Path: c.node, StopTime: c.stopTime}
}

func (c *fixedContest) holder(context.Context, *session.Epoch) (string, error) {
	return c.node, c.check()
}

func (c *fixedContest) watchVacant(ctx context.Context, e *session.Epoch) (*session.Watch, error) {
	return watchAbsent(ctx, e, c.node)
}

func (c *fixedContest) nodes(ctx context.Context) ([]session.Node, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	op := session.OpError{Package: "election", Op: "list", Path: c.node}
	return session.InEpoch(ctx, c.session, op, func(e *session.Epoch) ([]session.Node, error) {
		nodes, err := e.Nodes(ctx, c.node)
		if err == nil && errors.Is(nodes[0].Err, session.ErrNoNode) {
			nodes = nil
		}
		return nodes, err
	})
}

func (c *fixedContest) has(path string) bool { return path == c.node && c.check() == nil }

// watchAbsent watches for the creation of a node. It returns nil if the node exists.
func watchAbsent(ctx context.Context, e *session.Epoch, path string) (*session.Watch, error) {
	_, exists, w, err := e.WatchExists(ctx, path)
	if err != nil {
		return nil, err
	}
	if exists {
		w.Close()
		return nil, nil
	}
	return w, nil
}
