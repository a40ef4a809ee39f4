package election

import (
	"context"
	"errors"
	"fmt"

	"github.com/zkrecipes/zkrecipes/internal/lease"
	"github.com/zkrecipes/zkrecipes/internal/line"
	"github.com/zkrecipes/zkrecipes/session"
)

// lineSeat is the first place in a line.
type lineSeat struct{ line line.Line }

func (s *lineSeat) enter(ctx context.Context, data []byte) (lease.Claim, error) {
	l := s.line
	l.Data = data
	return l.Enter(ctx)
}

func (s *lineSeat) holder(ctx context.Context, e *session.Epoch) (string, error) {
	names, err := e.Children(ctx, s.line.Path)
	if errors.Is(err, session.ErrNoNode) {
		return "", nil
	}
	path, _ := s.line.First(names)
	return path, err
}

func (s *lineSeat) vacant(ctx context.Context, e *session.Epoch) (*session.Watch, error) {
	names, _, w, err := e.WatchChildren(ctx, s.line.Path)
	if errors.Is(err, session.ErrNoNode) {
		return watchAbsent(ctx, e, s.line.Path)
	}
	if err != nil {
		return nil, err
	}
	if _, ok := s.line.First(names); ok {
		w.Close()
		return nil, nil
	}
	return w, nil
}

// fixedSeat is one ephemeral node that whoever creates it holds.
type fixedSeat struct {
	session    *session.Session
	path, node string
}

// check refuses what the node alone does not show to be wrong: an empty path or
// name, and a name of several elements.
func (s *fixedSeat) check() error {
	if err := session.CheckPath(s.path); err != nil {
		return err
	}
	if parent, name := session.Split(s.node); parent != s.path || name == "" {
		return &session.OpError{Op: "use", Path: s.node, Err: fmt.Errorf("%w: it is not named as a child of %s", session.ErrInvalid, s.path)}
	}
	return session.CheckPath(s.node)
}

func (s *fixedSeat) enter(ctx context.Context, data []byte) (lease.Claim, error) {
	if err := s.check(); err != nil {
		return lease.Claim{}, err
	}
	for {
		e, err := s.session.Epoch(ctx)
		if err != nil {
			return lease.Claim{}, &session.OpError{Op: "create", Path: s.node, Err: err}
		}
		c, err := s.enterIn(ctx, e, data)
		if !errors.Is(err, session.ErrExpired) {
			return c, err
		}
	}
}

func (s *fixedSeat) enterIn(ctx context.Context, e *session.Epoch, data []byte) (lease.Claim, error) {
	for {
		_, st, err := e.Create(ctx, s.node, data, session.Ephemeral(), session.Parents())
		if err == nil {
			return s.claim(ctx, e, st)
		}
		if !errors.Is(err, session.ErrNodeExists) {
			return lease.Claim{}, err
		}
		if err := s.awaitAbsence(ctx, e); err != nil {
			return lease.Claim{}, err
		}
	}
}

func (s *fixedSeat) claim(ctx context.Context, e *session.Epoch, st session.Stat) (lease.Claim, error) {
	hold, err := e.Hold(ctx)
	if err != nil {
		e.Discard(s.node, st.Czxid, nil)
		return lease.Claim{}, &session.OpError{Op: "hold", Path: s.node, Err: err}
	}
	return lease.Claim{Epoch: e, Path: s.node, Token: st.Czxid, Version: st.Version, Hold: hold}, nil
}

// awaitAbsence waits until the node has gone.
func (s *fixedSeat) awaitAbsence(ctx context.Context, e *session.Epoch) error {
	for {
		_, exists, w, err := e.WatchExists(ctx, s.node)
		if err != nil {
			return err
		}
		if !exists {
			w.Close()
			return nil
		}
		if err := await(ctx, e, w, s.node); err != nil {
			return err
		}
		if w.Deleted() {
			return nil
		}
	}
}

func (s *fixedSeat) holder(context.Context, *session.Epoch) (string, error) {
	return s.node, s.check()
}

func (s *fixedSeat) vacant(ctx context.Context, e *session.Epoch) (*session.Watch, error) {
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

// await waits for w to fire.
func await(ctx context.Context, e *session.Epoch, w *session.Watch, path string) error {
	defer w.Close()
	select {
	case <-w.Fired():
		return nil
	case <-ctx.Done():
		return &session.OpError{Op: "wait for", Path: path, Err: context.Cause(ctx)}
	case <-e.Context().Done():
		return context.Cause(e.Context())
	}
}
