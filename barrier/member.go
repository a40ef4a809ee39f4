package barrier

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/session"
)

// member is one Enter in one epoch: its node, and what it has read of the barrier.
//
// A member has these states:
//
//	join: the member's node is created
//	  |
//	  v                  a watch has fired
//	deciding <--------------------------------- waiting
//	  |  |                                        ^  |
//	  |  +- too few members, or members of the ---+  |
//	  |     round before have not left               | ctx done, error,
//	  |                                              | node deleted, or
//	  | this member's transaction begins the round,  | session ended
//	  | the record names this member, or another     | (from deciding
//	  | library has created ready                    | as well)
//	  v                                              v
//	begun <----------------------------------- aborting
//	  |     the record names this member;          |
//	  v     its node and session are alive         +-> withdrawn: in no round
//	Entry                                          +-> ErrLost: named, but the
//	  |                                            |   node or session is gone
//	  +-> left: Leave or Release                   +-> ErrUnknown: cannot be
//	  +-> lost: node deleted or session ended          found out
//
// A withdrawn member's Enter returns the error, or, if the node was deleted or the
// session ended, starts again with a new member. The last member that leaves deletes
// ready; the record stays until the next round begins.
type member struct {
	*Double
	epoch       *session.Epoch
	name        string
	own         string       // path of the member's node
	czxid       session.Zxid // of the member's node, once it is created
	mayExist    bool         // the member's node may exist
	stopProving func()

	// base is the barrier's path as it was read when no round had begun with this
	// member. It is watched.
	base     session.Node
	children []string // listed after base was read

	blocked error // result of Epoch.Blocked for a member that has not left the round before

	ownWatch, readyWatch *session.Watch // nil until the member waits
	readySeen            bool           // ready existed when its watch was set
	readyAppeared        bool           // ready was created during the wait, but no record of a round was written

	round *round // that has begun with this member
}

// errGone is returned if another client has deleted the member's node.
var errGone = errors.New("barrier: own node deleted")

func (d *Double) newMember(e *session.Epoch) *member {
	name := d.layout.name()
	return &member{Double: d, epoch: e, name: name, own: d.node(name)}
}

// enter returns nil when a round has begun with the member.
func (m *member) enter(ctx context.Context) error {
	if err := m.epoch.CheckStopTime(m.path, m.behavior.StopTime); err != nil {
		return err
	}
	if err := m.join(ctx); err != nil {
		return err
	}
	for {
		switch v, err := m.decide(ctx); {
		case err != nil:
			return err
		case v == begun:
			return nil
		case v == waiting:
			if err := m.wait(ctx); err != nil {
				return err
			}
		}
		if err := m.refresh(ctx); err != nil {
			return err
		}
		if m.round != nil {
			return nil
		}
	}
}

// join creates the member's node. It reads the path first, so that a round that begins
// with this member is later than what was read.
func (m *member) join(ctx context.Context) error {
	for {
		switch err := m.readBase(ctx); {
		case errors.Is(err, session.ErrNoNode):
			if err := m.session.CreateAncestors(ctx, m.own); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		m.mayExist = true
		r, err := m.epoch.Txn(ctx, session.OpCreate(m.own, m.data, session.Ephemeral(), session.Unique(), session.Siblings(&m.children)))
		if err == nil {
			m.czxid = r[0].Stat.Czxid
			if m.stopProving, err = m.epoch.KeepProvingFor(ctx, m.behavior.StopTime); err != nil {
				return err
			}
			return m.epoch.AwaitStopTime(ctx, m.behavior.StopTime)
		}
		m.mayExist = errors.Is(err, session.ErrUnknown)
		if !errors.Is(err, session.ErrNoNode) || m.mayExist {
			return err
		}
	}
}

// readBase reads and watches the barrier's path.
func (m *member) readBase(ctx context.Context) error {
	m.base.Watch.Close()
	nodes, err := m.epoch.WatchNodes(ctx, m.path)
	if err != nil {
		return err
	}
	m.base = nodes[0]
	return m.base.Err
}

// wait blocks until the path, the member's node or ready has changed.
func (m *member) wait(ctx context.Context) error {
	if m.ownWatch == nil {
		nodes, err := m.epoch.WatchNodes(ctx, m.own)
		switch {
		case err != nil:
			return err
		case errors.Is(nodes[0].Err, session.ErrNoNode):
			return errGone
		case nodes[0].Err != nil:
			return nodes[0].Err
		}
		m.ownWatch = nodes[0].Watch
	}
	if m.readyWatch == nil {
		_, exists, w, err := m.epoch.WatchExists(ctx, m.ready())
		if err != nil {
			return err
		}
		m.readyWatch, m.readySeen = w, exists
		if exists != slices.Contains(m.children, m.layout.ready()) {
			return nil
		}
	}
	select {
	case <-m.base.Watch.Fired():
	case <-m.ownWatch.Fired():
	case <-m.readyWatch.Fired():
	case <-ctx.Done():
		return m.failed(context.Cause(ctx))
	case <-m.epoch.Context().Done():
		return context.Cause(m.epoch.Context())
	}
	return nil
}

// refresh reads the path and the members again. If the member's node exists and the
// latest round is without this member, no earlier round was with it: no round begins
// before all members of the round before have left.
func (m *member) refresh(ctx context.Context) error {
	appeared := false
	if m.readyWatch.HasFired() {
		appeared, m.readyWatch = !m.readySeen, nil
	}
	nodes, err := m.epoch.WatchNodes(ctx, m.path, m.own)
	if err != nil {
		return err
	}
	base, own := nodes[0], nodes[1]
	m.ownWatch.Close()
	m.ownWatch = own.Watch
	if own.Err != nil || base.Err != nil {
		base.Watch.Close()
		if errors.Is(own.Err, session.ErrNoNode) {
			return errGone
		}
		return cmp.Or(own.Err, base.Err)
	}
	m.readyAppeared = (appeared || m.readyAppeared) && base.Stat.Version == m.base.Stat.Version
	m.base.Watch.Close()
	m.base = base
	if m.round = m.roundIn(base); m.round != nil {
		return nil
	}
	m.children, err = m.epoch.Children(ctx, m.path)
	return err
}

// roundIn returns the latest round, as the path's data records it, if it is with this
// member, and nil otherwise.
func (m *member) roundIn(path session.Node) *round {
	members := recorded(path.Data)
	if !slices.Contains(members, m.name) {
		return nil
	}
	return &round{path.Stat.Mzxid, path.Stat.Mzxid, path.Stat.Version, members}
}

// stopWatching closes the member's watches and stops its proofs. The node stays.
func (m *member) stopWatching() {
	m.base.Watch.Close()
	m.ownWatch.Close()
	m.readyWatch.Close()
	if m.stopProving != nil {
		m.stopProving()
	}
}

// entry returns the Entry of a member whose round has begun.
func (m *member) entry(ctx context.Context) *Entry {
	acquired := lease.Acquired{Package: "barrier", Epoch: m.epoch, Path: m.own, Token: m.czxid, Version: session.AnyVersion, Watch: m.ownWatch, StopProving: m.stopProving}
	l := lease.Begin(ctx, acquired, m.behavior)
	m.ownWatch, m.stopProving = nil, nil
	m.stopWatching()
	return &Entry{double: m.Double, l: l, round: *m.round}
}
