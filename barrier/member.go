package barrier

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/session"
)

// member is one Enter in one epoch: a node, and what is known of the others.
type member struct {
	*Double
	epoch       *session.Epoch
	name        string
	own         string       // the path of its node
	czxid       session.Zxid // of its node, once there is one
	mayExist    bool         // there may be one
	stopProving func()

	// base is the barrier's path as it was when no round had begun with this
	// member. It is watched.
	base     session.Node
	children []string // listed after base was read

	blocked error // what Epoch.Blocked says of a member of the round before that has not left

	ownWatch, readyWatch *session.Watch // set before it waits
	readySeen            bool           // ready was there when its watch was set
	readyAppeared        bool           // ready has come while it waited, and with it no record of a round

	round *round // that has begun with this member
}

// errGone says that somebody has removed the own node.
var errGone = errors.New("barrier: own node removed")

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

// join creates the own node. The path is read before, so that a round that begins
// with this member comes after what was read.
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

func (m *member) readBase(ctx context.Context) error {
	m.base.Watch.Close()
	nodes, err := m.epoch.WatchNodes(ctx, m.path)
	if err != nil {
		return err
	}
	m.base = nodes[0]
	return m.base.Err
}

// wait waits until something happens that concerns the member.
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

// refresh sees how things are now. As long as the own node is there, and the latest
// round is not one with this member, none has been: no round begins before all
// members of the one before have gone.
func (m *member) refresh(ctx context.Context) error {
	came := false
	if m.readyWatch.HasFired() {
		came, m.readyWatch = !m.readySeen, nil
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
	m.readyAppeared = (came || m.readyAppeared) && base.Stat.Version == m.base.Stat.Version
	m.base.Watch.Close()
	m.base = base
	if m.round = m.roundIn(base); m.round != nil {
		return nil
	}
	m.children, err = m.epoch.Children(ctx, m.path)
	return err
}

// roundIn is the latest round, as the path shows it, if it is one with this member.
func (m *member) roundIn(path session.Node) *round {
	members := recorded(path.Data)
	if !slices.Contains(members, m.name) {
		return nil
	}
	return &round{path.Stat.Mzxid, path.Stat.Mzxid, path.Stat.Version, members}
}

// stopWatching gives up what the member holds, but for its node.
func (m *member) stopWatching() {
	m.base.Watch.Close()
	m.ownWatch.Close()
	m.readyWatch.Close()
	if m.stopProving != nil {
		m.stopProving()
	}
}

// entry makes a member of a round that has begun.
func (m *member) entry(ctx context.Context) *Entry {
	c := lease.Acquired{Package: "barrier", Epoch: m.epoch, Path: m.own, Token: m.czxid, Version: session.AnyVersion, Watch: m.ownWatch, StopProving: m.stopProving}
	l := lease.Begin(ctx, c, m.behavior)
	m.ownWatch, m.stopProving = nil, nil
	m.stopWatching()
	return &Entry{double: m.Double, l: l, round: *m.round}
}
