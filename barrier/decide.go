package barrier

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/session"
)

type decision uint8

const (
	waiting  decision = iota // for others to come or to leave
	outdated                 // what was seen is no longer so
	begun                    // a round has begun with this member
)

// decide says what is to be made of what was seen, and begins the round if
// everybody is there.
func (m *member) decide(ctx context.Context) (decision, error) {
	m.blocked = nil
	here := m.members(m.children)
	if !slices.Contains(here, m.name) {
		return outdated, nil
	}
	here, err := m.admitted(ctx, here)
	if err != nil {
		return waiting, err
	}
	inside, err := m.remaining(ctx, intersection(here, recorded(m.base.Data)), m.base.Stat.Mzxid)
	if err != nil {
		return waiting, err
	}
	switch {
	case slices.Contains(m.children, m.layout.ready()):
		return m.decideReady(ctx, here, inside)
	case m.readyAppeared: // and removed already, as Kazoo does when the first member leaves
		m.round = &round{0, m.base.Stat.Pzxid, m.base.Stat.Version, here}
		return begun, nil
	case len(here) < m.n || len(inside) > 0:
		return waiting, nil
	}
	return m.start(ctx, here)
}

// admitted picks the first n members, in the order in which they have come. If this
// one is not among them, the error is ErrFull.
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

// remaining picks those who are in a round that began with the transaction zxid and
// have not left it. A member of another library may have come again since, under
// the same name.
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

// nodes reads the nodes of members, but for those that have gone, in the order in
// which they were created.
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

// decideReady is for a barrier at which there is ready. If it came in the
// transaction that wrote the record, it belongs to that round. Else another
// library has created it, and the members of its round are those who were there
// before it.
func (m *member) decideReady(ctx context.Context, here, inside []string) (decision, error) {
	nodes, err := m.epoch.Nodes(ctx, m.ready())
	switch {
	case err != nil:
		return waiting, err
	case errors.Is(nodes[0].Err, session.ErrNoNode), m.base.Watch.HasFired():
		return outdated, nil
	case nodes[0].Err != nil:
		return waiting, nodes[0].Err
	}
	switch came := nodes[0].Stat.Czxid; {
	case came == m.base.Stat.Mzxid:
	case came > m.czxid:
		m.round = &round{came, came, m.base.Stat.Version, here}
		return begun, nil
	default:
		if inside, err = m.remaining(ctx, here, came); err != nil {
			return waiting, err
		}
	}
	if len(inside) > 0 {
		return waiting, nil
	}
	_, err = m.epoch.Txn(ctx, m.cleanUpOps(m.base.Stat.Version)...)
	return outdated, isRetryable(ctx, m.epoch, err)
}

// start begins a round with the members that are here. Whether it has begun is
// told by the record, so nothing depends on the reply.
func (m *member) start(ctx context.Context, here []string) (decision, error) {
	if len(m.base.Data) > 0 && recorded(m.base.Data) == nil {
		err := fmt.Errorf("%w: %.40q is not the record of a round", codec.ErrMalformed, m.base.Data)
		return waiting, &session.OpError{Package: "barrier", Op: "enter", Path: m.path, Err: err}
	}
	r, err := m.epoch.Txn(ctx, m.beginOps(here, m.base.Stat.Version)...)
	if err == nil && r[0].Stat.Mzxid != 0 { // which is not known if the reply was lost
		m.round = &round{r[0].Stat.Mzxid, r[0].Stat.Mzxid, r[0].Stat.Version, here}
		return begun, nil
	}
	return outdated, isRetryable(ctx, m.epoch, err)
}

// isRetryable returns nil if err is one after which it helps to look again.
func isRetryable(ctx context.Context, e *session.Epoch, err error) error {
	for _, harmless := range []error{session.ErrNoNode, session.ErrNodeExists, session.ErrBadVersion, session.ErrUnknown} {
		if errors.Is(err, harmless) && ctx.Err() == nil && e.Err() == nil {
			return nil
		}
	}
	return err
}

// intersection is what of a is in b as well.
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
