package membership

import (
	"context"
	"errors"

	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/presence"
	"github.com/zkrecipes/zkrecipes/session"
)

// Errors to decide by, with errors.Is.
var (
	// ErrInvalidID says that an id cannot be the name of a node.
	ErrInvalidID = session.NewError("membership: an id must be one element of a path", session.ErrInvalid)
	// ErrJoined says that this session has a member of that id already.
	ErrJoined = errors.New("membership: joined already")
	// ErrTaken says that the member of that id is another session's, or that there
	// is a node of its name which goes with no session at all.
	ErrTaken = errors.New("membership: the id is taken")
	// ErrLeft says that the member has left.
	ErrLeft = errors.New("membership: left")
)

// Group names a group. It holds no state, so one value may be used by many
// goroutines.
type Group struct {
	session *session.Session
	path    string
	layout  Layout
}

// New names the group at path. Nothing is sent.
func New(s *session.Session, path string, opts ...Option) *Group {
	g := &Group{session: s, path: path}
	for _, opt := range opts {
		opt(g)
	}
	return g
}

// Option changes a group.
type Option func(*Group)

// WithLayout chooses how members are written down; the default is Curator.
func WithLayout(l Layout) Option { return func(g *Group) { g.layout = l } }

// Join makes this process a member, with some data for the others to see, and
// returns once it is one. It is announced again in every new ZooKeeper session
// until it leaves or the session is closed.
//
// If the id is another session's, Join waits: that session may be the one of a
// process that has died a moment ago. When ctx ends first, nothing is left behind,
// and the error is ErrTaken beside that of ctx and says whose the id is. Errors
// that waiting does not help are returned at once: ErrInvalidID, ErrJoined,
// ErrTaken for a node that goes with no session, session.ErrInvalid for data that
// is too large, session.ErrNoAuth.
//
// It takes one round trip, and two more for the first member of all.
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

// prepare checks what is to be written, before anything is.
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

// Membership is being a member, until Leave or until the session is closed.
type Membership struct {
	announcement *presence.Announcement
	id           string
	layout       Layout
}

// ID is the member's.
func (m *Membership) ID() string { return m.id }

// Path is the member's node.
func (m *Membership) Path() string { return m.announcement.Path() }

// Token is the zxid with which the member has joined, or joined again in a new
// ZooKeeper session. It rises.
func (m *Membership) Token() session.Zxid {
	token, _ := m.announcement.Token()
	return token
}

// Err is nil while the process is a member, with the data that it was last given,
// as far as it knows, and otherwise says why not: the session is lost and there is
// no new one yet, somebody has taken the id meanwhile (ErrTaken), joining again is
// not allowed. It stays nil while the connection is interrupted and the ZooKeeper
// session may live on. What can be done about it is tried in the background, at
// intervals of up to some seconds; after ErrLeft and session.ErrClosed nothing is.
func (m *Membership) Err() error { return m.announcement.Err() }

// Changed returns a channel that is closed at the next change of Err or Token:
// take it before asking for these, and no change is missed.
func (m *Membership) Changed() <-chan struct{} { return m.announcement.Changed() }

// Update replaces the member's data, and returns once the others can see it. The
// last call wins, also over the end of a ZooKeeper session. When ctx ends first,
// the update goes on in the background.
//
// It takes one round trip.
func (m *Membership) Update(ctx context.Context, data []byte) error {
	content, err := m.layout.content(m.id, data)
	if err != nil {
		return &session.OpError{Package: "membership", Op: "update", Path: m.Path(), Err: err}
	}
	return m.announcement.Update(ctx, content)
}

// Leave ends the membership. It does so in any case; ctx bounds only the wait for
// the node to go. A nil error says that it has gone, or that its ZooKeeper session
// is over and takes it along; so it does at a second call.
//
// It takes one round trip.
func (m *Membership) Leave(ctx context.Context) error { return m.announcement.Withdraw(ctx) }
