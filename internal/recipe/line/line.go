// Package line is a waiting line of sequential ephemeral nodes: who is first,
// and for whom do I wait.
//
// It is the herd-free lock of the ZooKeeper recipes, and its shared lock, with
// two differences. The create and the list of children travel together, so that
// whoever comes to an empty line is first after one round trip. And everybody
// watches two nodes ahead: when the farther one goes, the list is read again,
// and when then the nearer one goes, it is known without a read that nobody is
// left, since nothing enters a line but at its end.
//
// To that there is one exception. An exclusive contender may leave an heir: a
// shared one in its own place. So whoever would wait for the heir reads the list
// again when an exclusive one ahead has gone.
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

// Line is a line at a path. It holds no state.
type Line struct {
	Session *session.Session
	Package string // of the recipe, for OpErrors
	Path    string
	Err     error // of the recipe's arguments: what every call returns
	Layout  Layout
	Data    []byte // of the nodes that it makes
	// StopTime is that of the lease that is wanted.
	StopTime time.Duration
}

// Acquire stands in line and waits to be first. When the epoch ends while it
// waits, or somebody removes its node, it stands in line again, at the end. When
// ctx ends, its node is removed, if need be in the background.
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

// TryAcquire stands in line and leaves again if it is not first. Then ok is false, and
// blocked is what Epoch.Blocked says of the nearest two ahead, which are read while the
// own node is removed.
func (l *Line) TryAcquire(ctx context.Context) (c lease.Acquired, ok bool, blocked, err error) {
	for {
		p, err := l.Join(ctx)
		if err != nil {
			return lease.Acquired{}, false, nil, err
		}
		if p.Free() {
			if err = p.awaitProof(ctx); err == nil {
				return p.toAcquired(), true, nil, nil
			}
			p.Leave()
			if IsGone(err) {
				continue
			}
			return lease.Acquired{}, false, nil, err
		}
		left := p.Leave()
		var blockers lease.Blockers
		blocked, _ = blockers.Check(ctx, p.acquired.Epoch, p.ahead...) // the answer does not depend on it
		select {
		case err = <-left:
		case <-ctx.Done():
		}
		return lease.Acquired{}, false, blocked, err
	}
}

// Check returns the error of the first bad argument.
func (l *Line) Check() error {
	if l.Err != nil {
		return l.Err
	}
	return args.Check(l.Package, l.Session, l.Path)
}

// Join makes a node in the current epoch and looks who is ahead of it.
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
	crowd, others := l.joinLocal(e)
	p := &Waiter{line: l, local: crowd, watched: make(map[string]*session.Watch), unowned: make(map[string]error)}
	var names []string
	opts := []session.CreateOption{session.Ephemeral(), session.Sequential(), session.Unique(), session.Parents()}
	if !others {
		opts = append(opts, session.Siblings(&names))
	}
	path, st, err := e.Create(ctx, session.Join(l.Path, l.Layout.Prefix(session.GUID())), l.Data, opts...)
	if err != nil {
		crowd.leave()
		return nil, err
	}
	p.acquired = lease.Acquired{Package: l.Package, Epoch: e, Path: path, Token: st.Czxid, Version: session.AnyVersion}
	if own := p.contender(); sequence.PastEnd(own.number) {
		crowd.created.Note(own.name, own.created)
	}
	if p.acquired.StopProving, err = e.KeepProvingFor(ctx, l.StopTime); err != nil {
		err = &session.OpError{Package: l.Package, Op: "acquire", Path: path, Err: err}
	}
	r := new(listing)
	switch {
	case err != nil:
	case others:
		r, err = crowd.list(ctx)
	default:
		r.contenders, err = l.contenders(ctx, e, names, &crowd.created)
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

// Nodes reads all who stand in line, in order. One that leaves meanwhile is left
// out.
func (l *Line) Nodes(ctx context.Context) ([]Node, error) {
	if err := l.Check(); err != nil {
		return nil, err
	}
	return session.InEpoch(ctx, l.Session, session.OpError{Package: l.Package, Op: "list", Path: l.Path}, func(e *session.Epoch) ([]Node, error) { return l.nodesIn(ctx, e) })
}

// Node is one who stands in line.
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
	standing, err := l.contenders(ctx, e, names, new(sequence.Creations))
	if err != nil {
		return nil, err
	}
	paths := make([]string, len(standing))
	for i, c := range standing {
		paths[i] = session.Join(l.Path, c.name)
	}
	read, err := e.Nodes(ctx, paths...)
	if err != nil {
		return nil, err
	}
	var nodes []Node
	for i, n := range read {
		if !errors.Is(n.Err, session.ErrNoNode) {
			nodes = append(nodes, Node{n, standing[i].kind})
		}
	}
	return nodes, nil
}

// Owners lists the nodes of those who wait for nobody: the first in line, if it is
// exclusive, or all who share before the first exclusive one.
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
	standing, err := l.contenders(ctx, e, names, new(sequence.Creations))
	if err != nil {
		return nil, err
	}
	for _, c := range standing {
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

// First picks the path of the first in line out of a list of children; it is ""
// if nobody stands in it.
func (l *Line) First(ctx context.Context, e *session.Epoch, names []string) (path string, err error) {
	cs, err := l.contenders(ctx, e, names, new(sequence.Creations))
	if err != nil || len(cs) == 0 {
		return "", err
	}
	return session.Join(l.Path, cs[0].name), nil
}

// Has tells whether path is that of a contender in this line, or could be.
func (l *Line) Has(path string) bool {
	parent, name := session.Split(path)
	_, ok := l.contender(name)
	return ok && parent == l.Path
}

// IsGone tells of an error of a Place whether its node has gone, or goes with its
// epoch, so that one may stand in line again.
func IsGone(err error) bool { return errors.Is(err, errGone) || errors.Is(err, session.ErrExpired) }

// errGone says that somebody has removed the node of a place.
var errGone = errors.New("line: own node removed")

// without returns the elements of s but for one.
func without(s []string, gone string) []string {
	return slices.DeleteFunc(s, func(e string) bool { return e == gone })
}
