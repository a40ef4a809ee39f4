package membership

import (
	"context"
	"errors"

	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/presence"
	"github.com/zkrecipes/zkrecipes/session"
)

// Errors that callers test for with errors.Is.
var (
	// ErrInvalidID is returned if an id cannot be the name of a node.
	ErrInvalidID = session.NewError("membership: an id must be one element of a path", session.ErrInvalid)
	// ErrJoined is returned if this session has a member with that id already.
	ErrJoined = errors.New("membership: joined already")
	// ErrTaken is returned if another session has the member with that id, or if its
	// node is ownerless.
	ErrTaken = errors.New("membership: the id is taken")
	// ErrLeft is returned after the member has left.
	ErrLeft = errors.New("membership: left")
)

// Group is a group of members. It holds no state, so one value may be used by many
// goroutines.
type Group struct {
	session *session.Session
	path    string
	layout  Layout
}

// New returns the group at path. It sends nothing.
func New(s *session.Session, path string, opts ...Option) *Group {
	g := &Group{session: s, path: path}
	for _, opt := range opts {
		opt(g)
	}
	return g
}

// Option configures a Group.
type Option func(*Group)

// WithLayout selects the names and data of the members' nodes; the default is Curator.
// All members and watchers of a group must use the same layout.
func WithLayout(l Layout) Option { return func(g *Group) { g.layout = l } }

// Join makes this process a member with the given data, and returns when its node
// exists. The member is announced again in every new ZooKeeper session until it leaves
// or the session is closed.
//
// If another session has the id, Join waits, because that session may belong to a
// process that has just died. If ctx is done first, nothing is left behind, and the
// error wraps ErrTaken and the error of ctx, and names the session that has the id.
// Errors that do not go away by waiting are returned immediately: ErrInvalidID,
// ErrJoined, ErrTaken for an ownerless node, session.ErrInvalid for data that is too
// large, session.ErrNoAuth.
//
// Join takes one round trip, and two more for the first member of the group.
func (g *Group) Join(ctx context.Context, id string, data []byte) (*Membership, error) {
	content, err := g.prepare(id, data)
	if err != nil {
		return nil, &session.OpError{Package: "membership", Op: "join", Path: g.path, Err: err}
	}
	p, err := presence.Announce(ctx, g.session, presence.Node{
		Package: "membership",
		Path:    session.Join(g.path, g.layout.name(id)), Data: content,
		Errors: presence.Errors{Duplicate: ErrJoined, Occupied: ErrTaken, Withdrawn: ErrLeft},
	})
	if err != nil {
		return nil, err
	}
	return &Membership{announcement: p, id: id, layout: g.layout}, nil
}

// prepare checks the arguments and returns the data of the node.
func (g *Group) prepare(id string, data []byte) ([]byte, error) {
	if err := g.check(); err != nil {
		return nil, err
	}
	if err := checkID(id); err != nil {
		return nil, err
	}
	return g.layout.content(id, data)
}

func (g *Group) check() error {
	return errors.Unwrap(args.Check("membership", g.session, g.path, g.layout.check()))
}

// Membership is a member of this process. It lasts until Leave or until the session is
// closed.
type Membership struct {
	announcement *presence.Announcement
	id           string
	layout       Layout
}

// ID returns the member's id.
func (m *Membership) ID() string { return m.id }

// Path returns the path of the member's node.
func (m *Membership) Path() string { return m.announcement.Path() }

// Token returns the zxid with which the member has joined in its latest ZooKeeper
// session. It rises.
func (m *Membership) Token() session.Zxid {
	token, _ := m.announcement.Token()
	return token
}

// Err returns nil while, as far as is known, the process is a member with its latest
// data, and otherwise the reason why it is not: the ZooKeeper session has ended and
// there is no new one yet, another client has taken the id (ErrTaken), or joining
// again is not allowed. Err stays nil while the connection is interrupted and the
// ZooKeeper session may still be alive.
//
// After an error the announcement is retried in the background, at intervals of up to
// a few seconds, except after ErrLeft and session.ErrClosed.
func (m *Membership) Err() error { return m.announcement.Err() }

// Changed returns a channel that is closed at the next change of Err or Token. Call
// Changed before these, so that no change is missed.
func (m *Membership) Changed() <-chan struct{} { return m.announcement.Changed() }

// Update replaces the member's data, and returns when other processes can see it. The
// last call wins, also across ZooKeeper sessions. If ctx is done first, the update
// continues in the background. Update takes one round trip.
func (m *Membership) Update(ctx context.Context, data []byte) error {
	content, err := m.layout.content(m.id, data)
	if err != nil {
		return &session.OpError{Package: "membership", Op: "update", Path: m.Path(), Err: err}
	}
	return m.announcement.Update(ctx, content)
}

// Leave ends the membership. The node is deleted in every case; ctx bounds only the
// wait for it. Leave returns nil if the node is deleted, or if its ZooKeeper session
// has ended and the servers delete it. It may be called again, with the same result.
// It takes one round trip.
func (m *Membership) Leave(ctx context.Context) error { return m.announcement.Withdraw(ctx) }
