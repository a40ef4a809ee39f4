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

// lineContest is the first place in a line.
type lineContest struct{ line line.Line }

func (s *lineContest) acquire(ctx context.Context, data []byte) (lease.Acquired, error) {
	l := s.line
	l.Data = data
	return l.Acquire(ctx)
}

func (s *lineContest) tryAcquire(ctx context.Context, data []byte) (c lease.Acquired, ok bool, blocked, err error) {
	l := s.line
	l.Data = data
	return l.TryAcquire(ctx)
}

func (s *lineContest) holder(ctx context.Context, e *session.Epoch) (string, error) {
	names, err := e.Children(ctx, s.line.Path)
	if errors.Is(err, session.ErrNoNode) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return s.line.First(ctx, e, names)
}

func (s *lineContest) watchVacant(ctx context.Context, e *session.Epoch) (*session.Watch, error) {
	names, _, w, err := e.WatchChildren(ctx, s.line.Path)
	if errors.Is(err, session.ErrNoNode) {
		return watchAbsent(ctx, e, s.line.Path)
	}
	if err != nil {
		return nil, err
	}
	if first, err := s.line.First(ctx, e, names); first != "" || err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// fixedContest is one ephemeral node that whoever creates it holds.
type fixedContest struct {
	session    *session.Session
	path, node string
	stopTime   time.Duration
}

// check refuses what the node alone does not show to be wrong: an empty path or
// name, and a name of several elements.
func (s *fixedContest) check() error {
	if err := session.CheckPath(s.path); err != nil {
		return err
	}
	if parent, name := session.Split(s.node); parent != s.path || name == "" {
		return &session.OpError{Package: "election", Op: "use", Path: s.node, Err: fmt.Errorf("%w: it is not named as a child of %s", session.ErrInvalid, s.path)}
	}
	return session.CheckPath(s.node)
}

func (s *fixedContest) acquire(ctx context.Context, data []byte) (lease.Acquired, error) {
	if err := s.check(); err != nil {
		return lease.Acquired{}, err
	}
	return s.fixedNode().Acquire(ctx, data)
}

func (s *fixedContest) tryAcquire(ctx context.Context, data []byte) (c lease.Acquired, ok bool, blocked, err error) {
	if err := s.check(); err != nil {
		return c, false, nil, err
	}
	return s.fixedNode().TryAcquire(ctx, data)
}

func (s *fixedContest) fixedNode() lease.FixedNode {
	return lease.FixedNode{Package: "election", Session: s.session, Path: s.node, StopTime: s.stopTime}
}

func (s *fixedContest) holder(context.Context, *session.Epoch) (string, error) {
	return s.node, s.check()
}

func (s *fixedContest) watchVacant(ctx context.Context, e *session.Epoch) (*session.Watch, error) {
	return watchAbsent(ctx, e, s.node)
}

// watchAbsent watches for a node to come; nil if it is there.
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
