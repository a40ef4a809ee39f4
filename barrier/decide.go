package barrier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/recipe/refusal"
	"github.com/zkrecipes/zkrecipes/session"
)

// decision is the result of decide.
type decision uint8

const (
	waiting  decision = iota // for other members to arrive or to leave
	outdated                 // what was read is out of date: read again
	begun                    // a round has begun with this member
)

// decide evaluates what was read, and begins the round if all members have arrived.
func (m *member) decide(ctx context.Context) (decision, error) {
	m.blocked = nil
	present := m.members(m.children)
	if !slices.Contains(present, m.name) {
		return outdated, nil
	}
	present, err := m.admitted(ctx, present)
	if err != nil {
		return waiting, err
	}
	inside, err := m.remaining(ctx, intersection(present, recorded(m.base.Data)), m.base.Stat.Mzxid)
	if err != nil {
		return waiting, err
	}
	switch {
	case slices.Contains(m.children, m.layout.ready()):
		return m.decideReady(ctx, present, inside)
	case m.readyAppeared: // and is deleted already, as Kazoo does when the first member leaves
		m.round = &round{0, m.base.Stat.Pzxid, m.base.Stat.Version, present}
		return begun, nil
	case len(present) < m.n || len(inside) > 0:
		return waiting, nil
	}
	return m.start(ctx, present)
}

// admitted returns the first n members in the order of their arrival. If this member
// is not among them, the error is ErrFull.
func (m *member) admitted(ctx context.Context, names []string) ([]string, error) {
	if len(names) <= m.n {
		return names, nil
	}
	nodes, err := m.nodes(ctx, names)
	if err != nil {
		return nil, err
	}
	nodes = nodes[:min(m.n, len(nodes))]
	names = names[:0]
	for _, n := range nodes {
		_, name := session.Split(n.Path)
		names = append(names, name)
	}
	if !slices.Contains(names, m.name) {
		return nil, ErrFull
	}
	return names, nil
}

// remaining returns the paths of the nodes of the members that have not left the round
// that began with the transaction zxid. It sets m.blocked if one of them is an ownerless
// node. A node that was created later belongs to a member of another library that has
// entered again under the same name.
func (m *member) remaining(ctx context.Context, names []string, zxid session.Zxid) (paths []string, err error) {
	nodes, err := m.nodes(ctx, names)
	for _, n := range nodes {
		if n.Stat.Czxid < zxid {
			paths = append(paths, n.Path)
			m.blocked = cmp.Or(m.epoch.Blocked(n.Path, n.Stat), m.blocked)
		}
	}
	return paths, err
}

// nodes reads the existing nodes of members and returns them in the order of their
// creation.
func (m *member) nodes(ctx context.Context, names []string) ([]session.Node, error) {
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = m.node(name)
	}
	nodes, err := m.epoch.Nodes(ctx, paths...)
	if err != nil {
		return nil, err
	}
	nodes = slices.DeleteFunc(nodes, func(n session.Node) bool { return errors.Is(n.Err, session.ErrNoNode) })
	for _, n := range nodes {
		if n.Err != nil {
			return nil, n.Err
		}
	}
	slices.SortFunc(nodes, func(a, b session.Node) int { return cmp.Compare(a.Stat.Czxid, b.Stat.Czxid) })
	return nodes, nil
}

// decideReady is decide while ready exists. If the transaction that wrote the record
// created ready, ready belongs to that round. Otherwise another library created it,
// and the members of its round are those that arrived before it was created.
func (m *member) decideReady(ctx context.Context, present, inside []string) (decision, error) {
	nodes, err := m.epoch.Nodes(ctx, m.ready())
	switch {
	case err != nil:
		return waiting, err
	case errors.Is(nodes[0].Err, session.ErrNoNode), m.base.Watch.HasFired():
		return outdated, nil
	case nodes[0].Err != nil:
		return waiting, nodes[0].Err
	}
	switch created := nodes[0].Stat.Czxid; {
	case created == m.base.Stat.Mzxid:
	case created > m.czxid:
		m.round = &round{created, created, m.base.Stat.Version, present}
		return begun, nil
	default:
		if inside, err = m.remaining(ctx, present, created); err != nil {
			return waiting, err
		}
	}
	if len(inside) > 0 {
		return waiting, nil
	}
	_, err = m.epoch.Txn(ctx, m.cleanUpOps(m.base.Stat.Version)...)
	return outdated, isRetryable(ctx, m.epoch, err)
}

// start begins a round with the given members. It does not depend on the reply: the
// record shows whether the round has begun.
func (m *member) start(ctx context.Context, present []string) (decision, error) {
	if len(m.base.Data) > 0 && recorded(m.base.Data) == nil {
		err := fmt.Errorf("%w: %.40q is not the record of a round", codec.ErrMalformed, m.base.Data)
		return waiting, &session.OpError{Package: "barrier", Op: "enter", Path: m.path, Err: err}
	}
	r, err := m.epoch.Txn(ctx, m.beginOps(present, m.base.Stat.Version)...)
	if err == nil && r[0].Stat.Mzxid != 0 { // 0 if the reply was lost
		m.round = &round{r[0].Stat.Mzxid, r[0].Stat.Mzxid, r[0].Stat.Version, present}
		return begun, nil
	}
	return outdated, isRetryable(ctx, m.epoch, err)
}

// isRetryable returns nil if the member must read again after err, and err otherwise.
// A member reads again after an unknown outcome, too: the nodes show the round.
func isRetryable(ctx context.Context, e *session.Epoch, err error) error {
	if (refusal.IsConflict(err) || errors.Is(err, session.ErrUnknown)) && ctx.Err() == nil && e.Err() == nil {
		return nil
	}
	return err
}

// intersection returns the elements of a that are in b as well.
func intersection(a, b []string) (both []string) {
	set := make(map[string]struct{}, len(b))
	for _, s := range b {
		set[s] = struct{}{}
	}
	for _, s := range a {
		if _, ok := set[s]; ok {
			both = append(both, s)
		}
	}
	return both
}
