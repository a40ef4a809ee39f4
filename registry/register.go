package registry

import (
	"context"
	"errors"
	"sync"

	"github.com/zkrecipes/zkrecipes/internal/recipe/presence"
	"github.com/zkrecipes/zkrecipes/session"
)

// Registration is an instance that is registered until Deregister, or until its
// session is closed. It is safe for concurrent use.
type Registration struct {
	registry *Registry
	presence *presence.Announcement
	turn     chan struct{} // held by the Update that is under way

	mu  sync.Mutex
	now Instance
}

// Register registers an instance and returns once its node is there. From then on
// the instance stays registered: a reconnect within the same ZooKeeper session
// does not touch the node; after the end of a session the next one makes it again,
// and if the old one is still there, replaces it in one transaction, so that nobody
// sees neither or both.
//
// An ID that is given takes the place of whoever has it, which is as a rule the
// same instance before a restart. If that other one still runs, it waits until
// this one is deregistered: both are never there at once.
//
// An instance that the layout cannot store, or that nobody could reach, is a
// session.ErrInvalid, and nothing is sent. ErrRegistered if this session has
// registered the same instance. Errors that trying again does not help, such as
// session.ErrNoAuth, are returned at once; otherwise Register goes on until ctx
// ends, and leaves no node then.
//
// Where the service's node exists it takes one round trip, and two more if the
// instance's own exists.
func (r *Registry) Register(ctx context.Context, in Instance) (*Registration, error) {
	others := presence.Replace
	madeUp := in.ID == ""
	for attempts := 4; ; attempts-- {
		next := in.clone()
		if madeUp {
			next.ID, others = r.format.newID(in.Service), presence.Refuse
		}
		path, err := r.complete("register", &next)
		if err != nil {
			return nil, err
		}
		p, err := presence.Announce(ctx, r.session, presence.Node{
			Package: "registry",
			Path:    path, Data: r.format.encode(next, nil).encode(), IfExists: others,
			Errors: presence.Errors{Duplicate: ErrRegistered, Occupied: ErrTaken, Withdrawn: ErrDeregistered},
		})
		if madeUp && attempts > 1 && (errors.Is(err, ErrTaken) || errors.Is(err, ErrRegistered)) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &Registration{registry: r, presence: p, turn: make(chan struct{}, 1), now: next}, nil
	}
}

// Check returns the session.ErrInvalid that Register would for an instance, unless
// it is its size that is wrong. It sends nothing, and the Registry may be one without
// a session.
func (r *Registry) Check(in Instance) error {
	in = in.clone()
	if in.ID == "" {
		in.ID = r.format.newID(in.Service)
	}
	_, err := r.complete("check", &in)
	return err
}

// complete checks an instance, adds what follows from what was given, and returns
// the path of its node.
func (r *Registry) complete(op string, in *Instance) (string, error) {
	dir, err := r.dir(op, in.Service)
	if err != nil {
		return "", err
	}
	name, err := r.format.node(in.ID)
	if err != nil {
		return "", &session.OpError{Package: "registry", Op: op, Path: dir, Err: err}
	}
	path := session.Join(dir, name)
	if r.options.layout == Kratos {
		in.implied()
	}
	if err = in.check(); err == nil {
		err = r.format.complete(in)
	}
	if err != nil {
		return "", &session.OpError{Package: "registry", Op: op, Path: path, Err: err}
	}
	return path, nil
}

// Instance is what is registered.
func (g *Registration) Instance() Instance {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now.clone()
}

// Path is that of the instance's node.
func (g *Registration) Path() string { return g.presence.Path() }

// Token is the zxid that the instance's node was created with, in the session that
// it was registered in last. It grows from one session to the next.
func (g *Registration) Token() session.Zxid {
	token, _ := g.presence.Token()
	return token
}

// Update replaces what is registered, and returns once the node shows it. Service
// and ID stay as they are, and may be left empty in in; so may Registered. Keys of
// the node's JSON that neither the layout nor in know, because somebody else has
// added them, are kept. Updates take turns. When ctx ends while the new data is on
// its way, it is written all the same.
//
// ErrDeregistered after Deregister; otherwise the errors are those of Register. It
// takes two round trips, a read and a write.
func (g *Registration) Update(ctx context.Context, in Instance) error {
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-ctx.Done():
		return &session.OpError{Package: "registry", Op: "update", Path: g.presence.Path(), Err: context.Cause(ctx)}
	}
	before := g.Instance()
	next := in.clone()
	if next.Service == "" {
		next.Service = before.Service
	}
	if next.ID == "" {
		next.ID = before.ID
	}
	if next.Registered.IsZero() {
		next.Registered = before.Registered
	}
	if _, err := g.registry.complete("update", &next); err != nil {
		return err
	}
	if next.Service != before.Service || next.ID != before.ID {
		return &session.OpError{Package: "registry", Op: "update", Path: g.presence.Path(), Err: invalid("neither the service nor the id of an instance can be changed")}
	}
	old, err := g.stored(ctx, before)
	if err != nil {
		return err
	}
	err = g.presence.Update(ctx, g.registry.format.encode(next, old).encode())
	if !errors.Is(err, ErrDeregistered) && !errors.Is(err, session.ErrInvalid) { // else it is tried again in the background
		g.mu.Lock()
		g.now = next
		g.mu.Unlock()
	}
	return err
}

// stored is what the node holds now, or what it held last if it cannot be told.
func (g *Registration) stored(ctx context.Context, before Instance) (object, error) {
	last := g.registry.format.encode(before, nil)
	if err := g.presence.Err(); errors.Is(err, ErrDeregistered) {
		return nil, &session.OpError{Package: "registry", Op: "update", Path: g.presence.Path(), Err: ErrDeregistered}
	}
	data, st, err := g.registry.session.Get(ctx, g.presence.Path())
	switch {
	case errors.Is(err, session.ErrNoNode), errors.Is(err, session.ErrNoAuth):
		return last, nil
	case err != nil:
		return nil, err
	}
	if token, _ := g.presence.Token(); st.Czxid != token {
		return last, nil // the node is not ours
	}
	o, err := parseObject(data)
	if err != nil {
		return last, nil // somebody has spoiled it
	}
	return o, nil
}

// Deregister removes the instance's node. That happens in any case; ctx bounds
// only the wait for it. It may be called again. A nil error says that the node has
// gone, or goes with its session.
//
// It takes one round trip.
func (g *Registration) Deregister(ctx context.Context) error {
	return g.presence.Withdraw(ctx)
}

// Err is nil while the node is there and holds what was registered last, as far as
// is known here, and otherwise says why not: ErrTaken, ErrDeregistered,
// session.ErrExpired between two sessions. It stays nil while the connection is
// interrupted and the ZooKeeper session may live on.
func (g *Registration) Err() error { return g.presence.Err() }

// Changed returns a channel that is closed at the next change of Err: take it
// before asking for that, and no change is missed.
func (g *Registration) Changed() <-chan struct{} { return g.presence.Changed() }
