// Package presence keeps an ephemeral node of a fixed name announced, over
// reconnects, expiries and operators, until it is withdrawn.
//
// Within one ZooKeeper session the node is created once, and a reconnect does
// not touch it. In the next session it is created again; if the one of the
// session before is still there, a transaction deletes that and creates the new
// one, so that nobody sees neither or both. Curator's PersistentNode is the
// model, without its faults: a create whose reply is lost is looked up, an error
// that trying again does not help reaches the caller, and nothing spins. What
// somebody else writes into the node is left alone until the next Update or
// session.
package presence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/session"
)

// Announcement is a node that is announced until Withdraw, or until its session is
// closed.
type Announcement struct {
	session   *session.Session
	node      Node
	live      context.Context // ends when the node is to go
	end       context.CancelFunc
	wake      chan struct{} // capacity 1: there is other data to show
	gone      chan struct{} // closed when the node is, and no longer seen to
	removeErr error         // why the node could not be removed; to be read once gone is closed

	mu      sync.Mutex
	current state
	changed chan struct{} // closed and replaced when now changes
}

// state is what is wanted and what has come of it. The data of Announce is the
// first, that of each Update one more.
type state struct {
	data        []byte
	wantedData  int   // the number of data
	shownData   int   // of what the node has held last
	refusedData int   // of what was tried in vain last
	refusal     error // why it was in vain
	err         error // why the node is not there, or does not hold what it should
	ended       error // set when nothing will be announced any more

	token session.Zxid // of the node
	owner int64
}

// Announce creates the node and returns once it is there and is the session's.
// From then on the node is looked after in the background.
//
// An error that trying again does not help is returned at once: ErrNoAuth,
// ErrInvalidACL, ErrNoChildrenForEphemerals, Errors.Twice, and Errors.Occupied if
// the node is in the way and does not go with a session. Otherwise Announce goes
// on until ctx ends, and leaves no node then; the error says what it has waited
// for.
//
// Where the parent exists and the node does not, it takes one round trip.
func Announce(ctx context.Context, s *session.Session, n Node) (*Announcement, error) {
	if err := args.Check(n.Package, s, n.Path); err != nil {
		return nil, &session.OpError{Package: n.Package, Op: "announce", Path: n.Path, Err: errors.Unwrap(err)}
	}
	n.Errors.setDefaults()
	p := &Announcement{
		session: s, node: n,
		wake: make(chan struct{}, 1), gone: make(chan struct{}), changed: make(chan struct{}),
		current: state{data: bytes.Clone(n.Data), wantedData: 1},
	}
	p.live, p.end = context.WithCancel(context.Background())
	if err := p.check(n.Data); err != nil {
		return nil, err
	}
	if err := p.start(ctx); err != nil {
		p.end()
		return nil, &session.OpError{Package: n.Package, Op: "announce", Path: n.Path, Err: err}
	}
	if err := p.await(ctx, "announce", 1); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// check refuses what the session would, before anything is sent, for the largest
// request that there may be: a replacement.
func (p *Announcement) check(data []byte) error {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := p.session.Txn(ended, p.create(data), session.OpDelete(p.node.Path, 0))
	if errors.Is(err, session.ErrInvalid) {
		return err
	}
	return nil
}

func (p *Announcement) create(data []byte) session.Op {
	return session.OpCreate(p.node.Path, data, p.options()...)
}

func (p *Announcement) options() []session.CreateOption {
	opts := []session.CreateOption{session.Ephemeral(), session.Parents()}
	if p.node.ACL != nil {
		opts = append(opts, session.ACLs(p.node.ACL...))
	}
	return opts
}

func (p *Announcement) start(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := p.register(ctx); err != nil {
		return err
	}
	e, err := p.session.Epoch(ctx)
	if err == nil && !e.Go(p.run) {
		err = session.ErrClosed
	}
	if err != nil {
		p.unregister()
		close(p.gone)
	}
	return err
}

// Update replaces the node's data, and returns once the node has shown it. The
// last call wins, in this epoch and in those to come; of calls that come faster
// than the server answers, only the last is sent. When ctx ends first, the update
// goes on in the background. An error that trying again does not help is
// returned at once; it is tried again all the same, now and then, as Err tells.
//
// It takes one round trip.
func (p *Announcement) Update(ctx context.Context, data []byte) error {
	if err := p.check(data); err != nil {
		return err
	}
	p.mu.Lock()
	p.current.wantedData++
	p.current.data = bytes.Clone(data)
	n := p.current.wantedData
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
	return p.await(ctx, "update", n)
}

// await returns once the n-th data has been shown, or something later.
func (p *Announcement) await(ctx context.Context, op string, n int) error {
	for {
		p.mu.Lock()
		now, changed := p.current, p.changed
		p.mu.Unlock()
		switch {
		case now.shownData >= n:
			return nil
		case now.refusedData >= n:
			return now.refusal
		case now.ended != nil:
			return &session.OpError{Package: p.node.Package, Op: op, Path: p.node.Path, Err: now.ended}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return &session.OpError{Package: p.node.Package, Op: op, Path: p.node.Path, Err: p.interrupted(ctx)}
		}
	}
}

// interrupted says why a wait had not ended when ctx did.
func (p *Announcement) interrupted(ctx context.Context) error {
	_, err := p.session.Epoch(ctx) // says so if there is no connection
	if err == nil {
		err = context.Cause(ctx)
	}
	if why := p.Err(); why != nil && p.session.Status().State == session.Connected {
		err = fmt.Errorf("%w: %w", err, why)
	}
	return err
}

// Withdraw removes the node, and nothing is announced any more. It happens in
// any case; ctx bounds only the wait for it. A nil error says that the node has
// gone, or that its ZooKeeper session is over and takes it along; so it does at
// a second call. If the server refuses to remove the node, that is the error, and
// the removal is retried in the background until the session ends.
//
// It takes one round trip.
func (p *Announcement) Withdraw(ctx context.Context) error {
	p.stop()
	select {
	case <-p.gone:
		return p.removeErr
	default:
	}
	select {
	case <-p.gone:
		return p.removeErr
	case <-ctx.Done():
		return &session.OpError{Package: p.node.Package, Op: "withdraw", Path: p.node.Path,
			Err: fmt.Errorf("%w (it goes on in the background)", context.Cause(ctx))}
	}
}

// stop has the node removed in the background.
func (p *Announcement) stop() {
	p.set(func(s *state) {
		if s.ended == nil {
			s.ended = p.node.Errors.Withdrawn
		}
	})
	p.end()
}

// Err is nil while the node is there and holds the data that it was last given,
// as far as is known here, and otherwise says why not. It stays nil while the
// connection is interrupted and the ZooKeeper session may live on.
func (p *Announcement) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current.ended != nil {
		return p.current.ended
	}
	return p.current.err
}

// Changed returns a channel that is closed at the next change of Err or of the
// node: take it before asking for these, and no change is missed.
func (p *Announcement) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// Path is the node's.
func (p *Announcement) Path() string { return p.node.Path }

// Token is the zxid of the transaction that created the node which is there now
// or was last, and owner the ZooKeeper session that did.
func (p *Announcement) Token() (token session.Zxid, owner int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current.token, p.current.owner
}

func (p *Announcement) set(change func(*state)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.current)
	close(p.changed)
	p.changed = make(chan struct{})
}
