package registry

import (
	"context"
	"errors"
	"sync"

	"github.com/zkrecipes/zkrecipes/internal/recipe/presence"
	"github.com/zkrecipes/zkrecipes/session"
)

// Registration is a registered instance of this process. It lasts until Deregister or
// until its session is closed. It is safe for concurrent use.
type Registration struct {
	registry *Registry
	presence *presence.Announcement
	updating chan struct{} // has one value while an Update runs

	mu  sync.Mutex
	now Instance
}

// Register registers an instance and returns when its node exists. From then on the
// instance stays registered. A reconnect within the same ZooKeeper session does not
// touch the node. After the end of a ZooKeeper session the next one creates the node
// again; if the old node still exists, one transaction replaces it, so that no client
// sees neither or both.
//
// An instance with a given ID replaces the node with that ID, which usually belongs to
// the same instance before a restart. If the other instance is still running, it waits
// until this one is deregistered, so both are never registered at the same time.
//
// If the layout cannot store the instance, or its address is not valid, the error is
// session.ErrInvalid and nothing is sent. The error is ErrRegistered if this session
// has registered the same instance. Errors that do not go away by retrying, such as
// session.ErrNoAuth, are returned immediately. Otherwise Register retries until ctx is
// done, and then leaves no node behind.
//
// If the service's node exists, Register takes one round trip, and two more if the
// instance's node exists.
func (r *Registry) Register(ctx context.Context, in Instance) (*Registration, error) {
	ifExists := presence.Replace
	generated := in.ID == ""
	for attempts := 4; ; attempts-- {
		next := in.clone()
		if generated {
			next.ID, ifExists = r.format.newID(in.Service), presence.Refuse
		}
		path, err := r.complete("register", &next)
		if err != nil {
			return nil, err
		}
		p, err := presence.Announce(ctx, r.session, presence.Node{
			Package: "registry",
			Path:    path, Data: r.format.encode(next, nil).encode(), IfExists: ifExists,
			Errors: presence.Errors{Duplicate: ErrRegistered, Occupied: ErrTaken, Withdrawn: ErrDeregistered},
		})
		if generated && attempts > 1 && (errors.Is(err, ErrTaken) || errors.Is(err, ErrRegistered)) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &Registration{registry: r, presence: p, updating: make(chan struct{}, 1), now: next}, nil
	}
}

// Check returns the session.ErrInvalid that Register would return for an instance,
// except for its size. It sends nothing, and works on a Registry without a session.
func (r *Registry) Check(in Instance) error {
	in = in.clone()
	if in.ID == "" {
		in.ID = r.format.newID(in.Service)
	}
	_, err := r.complete("check", &in)
	return err
}

// complete checks an instance, sets fields that follow from others, and returns the
// path of its node.
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

// Instance returns the registered instance.
func (g *Registration) Instance() Instance {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now.clone()
}

// Path returns the path of the instance's node.
func (g *Registration) Path() string { return g.presence.Path() }

// Token returns the zxid of the transaction that created the instance's node in its
// latest ZooKeeper session. It grows from one session to the next.
func (g *Registration) Token() session.Zxid {
	token, _ := g.presence.Token()
	return token
}

// Update replaces the registered instance, and returns when the node shows it. Service
// and ID cannot be changed; in may leave them and Registered empty. Keys of the node's
// JSON that another program has added are kept. Concurrent Updates wait for each
// other. If ctx is done while the new data is in flight, it is written nevertheless.
//
// The error is ErrDeregistered after Deregister; the others are those of Register.
// Update takes two round trips, a read and a write.
func (g *Registration) Update(ctx context.Context, in Instance) error {
	select {
	case g.updating <- struct{}{}:
		defer func() { <-g.updating }()
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
	if !errors.Is(err, ErrDeregistered) && !errors.Is(err, session.ErrInvalid) { // with other errors the update is retried in the background
		g.mu.Lock()
		g.now = next
		g.mu.Unlock()
	}
	return err
}

// stored returns what the node holds, or what it held last if it cannot be read.
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
		return last, nil // another client's node
	}
	o, err := parseObject(data)
	if err != nil {
		return last, nil // another program has overwritten the node
	}
	return o, nil
}

// Deregister deletes the instance's node. The node is deleted in every case; ctx
// bounds only the wait for it. Deregister returns nil if the node is deleted or will
// be deleted with its ZooKeeper session. It may be called again. It takes one round
// trip.
func (g *Registration) Deregister(ctx context.Context) error {
	return g.presence.Withdraw(ctx)
}

// Err returns nil while, as far as is known, the node exists and holds what was
// registered last, and otherwise the reason why not: ErrTaken, ErrDeregistered, or
// session.ErrExpired between two ZooKeeper sessions. It stays nil while the connection
// is interrupted and the ZooKeeper session may still be alive.
func (g *Registration) Err() error { return g.presence.Err() }

// Changed returns a channel that is closed at the next change of Err. Call Changed
// before Err, so that no change is missed.
func (g *Registration) Changed() <-chan struct{} { return g.presence.Changed() }
