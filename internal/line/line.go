// Package line is a waiting line of sequential ephemeral nodes: who is first,
// and for whom do I wait.
//
// It is the herd-free lock of the ZooKeeper recipes with two differences. The
// create and the list of children travel together, so that whoever comes to an
// empty line is first after one round trip. And everybody watches two nodes
// ahead: when the farther one goes, the list is read again, and when then the
// nearer one goes, it is known without a read that nobody is left, since nothing
// enters a line but at its end.
package line

import (
	"context"
	"errors"
	"slices"

	"github.com/zkrecipes/zkrecipes/internal/lease"
	"github.com/zkrecipes/zkrecipes/session"
)

// Line is a line at a path. It holds no state.
type Line struct {
	Session *session.Session
	Path    string
	Naming  Naming
	Data    []byte // of the nodes that it makes
}

// Enter stands in line and waits to be first. When the epoch ends while it
// waits, or somebody removes its node, it stands in line again, at the end. When
// ctx ends, its node is removed, if need be in the background.
func (l *Line) Enter(ctx context.Context) (lease.Claim, error) {
	for {
		p, err := l.stand(ctx)
		if err != nil {
			return lease.Claim{}, err
		}
		switch err := p.wait(ctx); {
		case err == nil:
			return p.first(), nil
		case errors.Is(err, errGone), errors.Is(err, session.ErrExpired):
			p.leave()
		default:
			p.leave()
			return lease.Claim{}, err
		}
	}
}

// TryEnter stands in line and leaves again if it is not first; ok is false then.
func (l *Line) TryEnter(ctx context.Context) (c lease.Claim, ok bool, err error) {
	p, err := l.stand(ctx)
	if err != nil {
		return lease.Claim{}, false, err
	}
	if len(p.ahead) == 0 {
		return p.first(), true, nil
	}
	gone := p.leave()
	select {
	case <-gone:
	case <-ctx.Done():
	}
	return lease.Claim{}, false, nil
}

// stand makes a node in the current epoch and looks who is ahead of it.
func (l *Line) stand(ctx context.Context) (*place, error) {
	if err := session.CheckPath(l.Path); err != nil {
		return nil, err
	}
	for {
		e, err := l.Session.Epoch(ctx)
		if err != nil {
			return nil, &session.OpError{Op: "create", Path: l.Path, Err: err}
		}
		p, err := l.standIn(ctx, e)
		if err == nil || !errors.Is(err, session.ErrExpired) {
			return p, err
		}
	}
}

func (l *Line) standIn(ctx context.Context, e *session.Epoch) (*place, error) {
	crowd, others := l.join(e)
	p := &place{line: l, crowd: crowd, watched: make(map[string]*session.Watch)}
	var names []string
	opts := []session.CreateOption{session.Ephemeral(), session.Sequential(), session.Unique(), session.Parents()}
	if !others {
		opts = append(opts, session.Siblings(&names))
	}
	path, st, err := e.Create(ctx, session.Join(l.Path, l.Naming.Prefix(session.GUID())), l.Data, opts...)
	if err != nil {
		crowd.quit()
		return nil, err
	}
	p.Claim = lease.Claim{Epoch: e, Path: path, Token: st.Czxid, Version: session.AnyVersion}
	if p.Hold, err = e.Hold(ctx); err != nil {
		err = &session.OpError{Op: "hold", Path: path, Err: err}
	}
	r := &roster{standing: l.contenders(names)}
	if err == nil && others {
		r, err = crowd.list(ctx)
	}
	if err == nil {
		err = p.look(r)
	}
	if err != nil {
		p.leave()
		return nil, err
	}
	return p, nil
}

// contender is a child of the line's path that stands in line.
type contender struct {
	name     string
	sequence int32
}

func (l *Line) contender(name string) (contender, bool) {
	seq, ok := l.Naming.sequence(name)
	return contender{name, seq}, ok
}

// contenders picks those who stand in line out of a list of children, and puts
// them in order.
func (l *Line) contenders(names []string) []contender {
	var cs []contender
	for _, name := range names {
		if c, ok := l.contender(name); ok {
			cs = append(cs, c)
		}
	}
	slices.SortFunc(cs, contender.compare)
	return cs
}

// compare is for sorting: it is right as long as numbers lie less than 2^31
// apart.
func (c contender) compare(d contender) int {
	switch {
	case before(c.sequence, d.sequence):
		return -1
	case before(d.sequence, c.sequence):
		return 1
	}
	return 0
}

// Nodes reads all who stand in line, in order. One that leaves meanwhile is left
// out.
func (l *Line) Nodes(ctx context.Context) ([]session.Node, error) {
	for {
		e, err := l.Session.Epoch(ctx)
		if err != nil {
			return nil, &session.OpError{Op: "list", Path: l.Path, Err: err}
		}
		names, err := e.Children(ctx, l.Path)
		switch {
		case errors.Is(err, session.ErrNoNode):
			return nil, nil
		case errors.Is(err, session.ErrExpired):
			continue
		case err != nil:
			return nil, err
		}
		var paths []string
		for _, c := range l.contenders(names) {
			paths = append(paths, session.Join(l.Path, c.name))
		}
		nodes, err := e.Nodes(ctx, paths...)
		if errors.Is(err, session.ErrExpired) {
			continue
		}
		return slices.DeleteFunc(nodes, func(n session.Node) bool { return errors.Is(n.Err, session.ErrNoNode) }), err
	}
}

// First picks the path of the first in line out of a list of children; ok is
// false if nobody stands in it.
func (l *Line) First(names []string) (path string, ok bool) {
	cs := l.contenders(names)
	if len(cs) == 0 {
		return "", false
	}
	return session.Join(l.Path, cs[0].name), true
}
