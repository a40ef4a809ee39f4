// Package line implements a waiting line of sequential ephemeral nodes. Use it
// for a recipe in which contenders own in the order of their arrival, exclusively
// or shared. Past the last sequence number, the order is known only among nodes of
// this module; see session.ErrSequenceEnd.
//
// # Algorithm
//
// It is the lock without herd effect of the ZooKeeper recipes, and their shared
// lock, with two differences.
//
// The create and the read of the children are sent back to back, so a caller that
// joins an empty line is first after one round trip.
//
// Each waiter watches the nearest two nodes ahead that it waits for. When the
// farther one is deleted, the children are read again. If that read shows no other
// node ahead that it waits for, the waiter knows without a further read that it
// owns when the nearer one is deleted, because nodes are added only at the end of
// the line.
//
// There is one exception: an exclusive contender may be replaced by a shared one
// at the same position. A waiter that would wait for the replacement reads the
// children again when an exclusive contender ahead is deleted.
package line

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/internal/recipe/sequence"
	"github.com/zkrecipes/zkrecipes/session"
)

// Line is a line at a path. It has no state.
type Line struct {
	Session *session.Session
	Package string // of the recipe, for OpErrors
	Path    string
	Err     error // of a bad argument of the recipe; every call returns it
	Layout  Layout
	Data    []byte // of the nodes that it creates
	// StopTime is the stop time of the lease.
	StopTime time.Duration
}

// Acquire joins the line and blocks until it owns or ctx is done. If the epoch
// ends or its node is deleted while it waits, it joins again at the end of the
// line. If ctx is done first, its node is deleted, in the background if necessary.
func (l *Line) Acquire(ctx context.Context) (lease.Acquired, error) {
	for {
		p, err := l.Join(ctx)
		if err != nil {
			return lease.Acquired{}, err
		}
		c, err := p.Wait(ctx)
		if err == nil {
			return c, nil
		}
		p.Leave()
		if !IsGone(err) {
			return lease.Acquired{}, err
		}
	}
}

// TryAcquire joins the line and leaves it again if it does not own at once. Then taken
// is not nil. It describes the first in line and the nearest two nodes ahead, which are
// read while the own node is deleted.
func (l *Line) TryAcquire(ctx context.Context) (c lease.Acquired, taken *lease.Taken, err error) {
	for {
		p, err := l.Join(ctx)
		if err != nil {
			return lease.Acquired{}, nil, err
		}
		if p.Free() {
			if err = p.awaitProof(ctx); err == nil {
				return p.toAcquired(), nil, nil
			}
			p.Leave()
			if IsGone(err) {
				continue
			}
			return lease.Acquired{}, nil, err
		}
		left := p.Leave()
		paths := p.ahead
		if !slices.Contains(paths, p.first) {
			paths = append([]string{p.first}, paths...)
		}
		taken = lease.ReadTaken(ctx, p.acquired.Epoch, paths...)
		select {
		case err = <-left:
		case <-ctx.Done():
		}
		return lease.Acquired{}, taken, err
	}
}

// Check returns an error for the first bad argument.
func (l *Line) Check() error {
	if l.Err != nil {
		return l.Err
	}
	return args.Check(l.Package, l.Session, l.Path)
}

// Join creates a node in the current epoch and finds the contenders ahead of it.
func (l *Line) Join(ctx context.Context) (*Waiter, error) {
	if err := l.Check(); err != nil {
		return nil, err
	}
	for {
		p, err := session.InEpoch(ctx, l.Session, session.OpError{Package: l.Package, Op: "acquire", Path: l.Path}, func(e *session.Epoch) (*Waiter, error) { return l.joinIn(ctx, e) })
		if !errors.Is(err, errGone) {
			return p, err
		}
	}
}

func (l *Line) joinIn(ctx context.Context, e *session.Epoch) (*Waiter, error) {
	if err := e.CheckStopTime(l.Path, l.StopTime); err != nil {
		return nil, err
	}
	local, others := l.joinLocal(e)
	p := &Waiter{line: l, local: local, watched: make(map[string]*session.Watch), unowned: make(map[string]error)}
	var names []string
	opts := []session.CreateOption{session.Ephemeral(), session.Sequential(), session.Unique(), session.Parents()}
	if !others {
		opts = append(opts, session.Siblings(&names))
	}
	path, st, err := e.Create(ctx, session.Join(l.Path, l.Layout.Prefix(session.GUID())), l.Data, opts...)
	if err != nil {
		local.leave()
		return nil, err
	}
	p.acquired = lease.Acquired{Package: l.Package, Epoch: e, Path: path, Token: st.Czxid, Version: session.AnyVersion}
	if own := p.contender(); sequence.PastEnd(own.number) {
		local.created.Note(own.name, own.created)
	}
	if p.acquired.StopProving, err = e.KeepProvingFor(ctx, l.StopTime); err != nil {
		err = &session.OpError{Package: l.Package, Op: "acquire", Path: path, Err: err}
	}
	r := new(listing)
	switch {
	case err != nil:
	case others:
		r, err = local.list(ctx)
	default:
		r.contenders, err = l.contenders(ctx, e, names, &local.created)
	}
	if err == nil {
		err = p.noteAhead(r)
	}
	if err != nil {
		p.Leave()
		return nil, err
	}
	return p, nil
}

// Nodes reads the nodes of all contenders, in order. Nodes that are deleted during
// the call are left out.
func (l *Line) Nodes(ctx context.Context) ([]Node, error) {
	if err := l.Check(); err != nil {
		return nil, err
	}
	return session.InEpoch(ctx, l.Session, session.OpError{Package: l.Package, Op: "list", Path: l.Path}, func(e *session.Epoch) ([]Node, error) { return l.nodesIn(ctx, e) })
}

// Node is the node of a contender.
type Node struct {
	session.Node
	Kind Kind
}

func (l *Line) nodesIn(ctx context.Context, e *session.Epoch) ([]Node, error) {
	names, err := e.Children(ctx, l.Path)
	if errors.Is(err, session.ErrNoNode) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	contenders, err := l.contenders(ctx, e, names, new(sequence.Creations))
	if err != nil {
		return nil, err
	}
	paths := make([]string, len(contenders))
	for i, c := range contenders {
		paths[i] = session.Join(l.Path, c.name)
	}
	read, err := e.Nodes(ctx, paths...)
	if err != nil {
		return nil, err
	}
	var nodes []Node
	for i, n := range read {
		if !errors.Is(n.Err, session.ErrNoNode) {
			nodes = append(nodes, Node{n, contenders[i].kind})
		}
	}
	return nodes, nil
}

// Owners returns the paths of the holders' nodes: the first in line if it is
// exclusive, otherwise all shared ones ahead of the first exclusive one.
func (l *Line) Owners(ctx context.Context) (paths []string, err error) {
	if err := l.Check(); err != nil {
		return nil, err
	}
	return session.InEpoch(ctx, l.Session, session.OpError{Package: l.Package, Op: "list", Path: l.Path}, func(e *session.Epoch) ([]string, error) { return l.ownersIn(ctx, e) })
}

func (l *Line) ownersIn(ctx context.Context, e *session.Epoch) (paths []string, err error) {
	names, err := e.Children(ctx, l.Path)
	if err != nil && !errors.Is(err, session.ErrNoNode) {
		return nil, err
	}
	contenders, err := l.contenders(ctx, e, names, new(sequence.Creations))
	if err != nil {
		return nil, err
	}
	for _, c := range contenders {
		if c.kind == Exclusive && len(paths) > 0 {
			break
		}
		paths = append(paths, session.Join(l.Path, c.name))
		if c.kind == Exclusive {
			break
		}
	}
	return paths, nil
}

// First returns the path of the first contender among children of the line's path,
// or "" if none of them is a contender.
func (l *Line) First(ctx context.Context, e *session.Epoch, names []string) (path string, err error) {
	cs, err := l.contenders(ctx, e, names, new(sequence.Creations))
	if err != nil || len(cs) == 0 {
		return "", err
	}
	return session.Join(l.Path, cs[0].name), nil
}

// Has reports whether a node at path would be a contender in this line.
func (l *Line) Has(path string) bool {
	parent, name := session.Split(path)
	_, ok := l.contender(name)
	return ok && parent == l.Path
}

// IsGone reports whether an error of a Waiter means that its node was deleted, or
// is deleted with its epoch, so that the caller may join the line again.
func IsGone(err error) bool { return errors.Is(err, errGone) || errors.Is(err, session.ErrExpired) }

// errGone is the error of a waiter whose node was deleted while its epoch lasts.
var errGone = errors.New("line: own node deleted")
