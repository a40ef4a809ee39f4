// Package presence keeps an ephemeral node of a fixed name announced until it is
// withdrawn, also across reconnects, expired sessions and deletions by others. Use
// it for a node that shows that this process is there. It is not ownership: while
// the session is suspended, the servers may delete the node without notice here.
//
// In each ZooKeeper session the node is created once; a reconnect does not touch it.
// In the next ZooKeeper session it is created again. If the node of the previous one
// still exists, one transaction deletes it and creates the new one, so that no reader
// sees both or neither during the replacement. Data that another client writes into the node stays until
// the next Update or ZooKeeper session.
//
// Curator's PersistentNode is the model, with three differences: the outcome of a
// create whose reply is lost is looked up, an error that retries cannot solve is
// returned to the caller, and retries are paced.
//
// # Cost
//
// Announce takes one round trip if the parent exists and the node does not. Update
// and Withdraw take one each. One read then watches the node.
package presence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/zkrecipes/zkrecipes/internal/client/channel"
	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/session"
)

// Announcement is a node that is announced until Withdraw, or until its session is
// closed.
type Announcement struct {
	session   *session.Session
	node      Node
	local     *localNode      // set by register
	live      context.Context // done when the node is to be deleted
	end       context.CancelFunc
	wake      chan struct{} // capacity 1: there is new data
	gone      chan struct{} // closed when the node is deleted and run has ended
	deleteErr error         // why the node could not be deleted; read it only after gone is closed

	mu      sync.Mutex
	current state
	changed chan struct{} // closed and replaced when current changes
}

// state is the wanted data, by number, and the progress of its announcement. The
// data of Announce has number 1, that of each Update one more.
type state struct {
	data        []byte
	wantedData  int   // the number of data
	shownData   int   // the number of the data last written to the node
	refusedData int   // the number of the data that was last refused
	refusal     error // the error of that refusal
	err         error // why the node does not exist or does not hold the wanted data
	ended       error // set when the announcement has ended

	token session.Zxid // the czxid of the node
	owner int64
}

// Announce creates the node and returns once the session owns it. From then on the
// node is maintained in the background.
//
// An error that retries cannot solve is returned immediately: ErrNoAuth,
// ErrInvalidACL, ErrNoChildrenForEphemerals, Errors.Duplicate, and Errors.Occupied if
// IfExists is Refuse or the existing node is not owned by another session. Otherwise
// Announce retries until ctx is done, and leaves no node then; the error says what it
// waited for.
//
// It takes one round trip if the parent exists and the node does not.
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

// check returns the error of the session for invalid or too long data before
// anything is sent. It checks the largest possible request, which is a replacement.
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

// Update replaces the node's data, and returns once the node holds it. The last call
// wins, in this epoch and in later ones. If calls arrive faster than the server
// answers, only the last one is sent. If ctx is done first, the update continues in
// the background.
//
// An error that retries cannot solve is returned immediately. The update is retried
// from time to time nevertheless; Err returns the latest error.
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
	channel.Wake(p.wake)
	return p.await(ctx, "update", n)
}

// await waits until data of number n or a later one was written to the node.
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

// interrupted returns why a wait was not over when ctx was done.
func (p *Announcement) interrupted(ctx context.Context) error {
	_, err := p.session.Epoch(ctx) // an error if there is no connection
	if err == nil {
		err = context.Cause(ctx)
	}
	if why := p.Err(); why != nil && p.session.Status().State == session.Connected {
		err = fmt.Errorf("%w: %w", err, why)
	}
	return err
}

// Withdraw ends the announcement and deletes the node. ctx bounds only the wait for
// the deletion. The error is nil if the node is deleted, or its ZooKeeper session has
// ended and the servers delete it. A second call returns the same. If the server
// refuses to delete the node, Withdraw returns the refusal, and the deletion is
// retried in the background until the ZooKeeper session ends.
//
// It takes one round trip.
func (p *Announcement) Withdraw(ctx context.Context) error {
	p.stop()
	select {
	case <-p.gone:
		return p.deleteErr
	default:
	}
	select {
	case <-p.gone:
		return p.deleteErr
	case <-ctx.Done():
		return &session.OpError{Package: p.node.Package, Op: "withdraw", Path: p.node.Path,
			Err: fmt.Errorf("%w (the deletion continues in the background)", context.Cause(ctx))}
	}
}

// stop ends the announcement; run then deletes the node in the background.
func (p *Announcement) stop() {
	p.set(func(s *state) {
		if s.ended == nil {
			s.ended = p.node.Errors.Withdrawn
		}
	})
	p.end()
}

// Err is nil while, as far as this process knows, the node exists and holds the
// latest data. Otherwise it returns the reason. It stays nil while the session is
// suspended.
func (p *Announcement) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.current.ended != nil {
		return p.current.ended
	}
	return p.current.err
}

// Changed returns a channel that is closed at the next change of Err or Token. Call
// it before these, so that no change is missed.
func (p *Announcement) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// Path is the path of the node.
func (p *Announcement) Path() string { return p.node.Path }

// Token returns the zxid of the transaction that created the latest node, and the
// ZooKeeper session that owns or owned it.
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
