package lock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/session"
)

var revokeData = []byte(lease.RevokeData)

// isRevoke reports whether the data of a node asks its owner to release the lock.
func isRevoke(data []byte) bool { return bytes.Equal(data, revokeData) }

// Revoked returns a channel that is closed when a client has asked the holder to release
// the lock, with Revoke or with Curator's Revoker, even if it did so while the holder was
// a waiter. It is only a request: the lease is held until the holder unlocks it.
func (l *Lease) Revoked() <-chan struct{} { return l.l.Revoked() }

// Revoke asks contenders, which Contenders has returned, to release the lock. Without
// contenders it asks the holder. A waiter that was asked finds the request in its lease
// once it holds the lock; see Lease.Revoked. Contenders of this library receive the
// request, and those of Curator that were made revocable.
//
// Revoke does not wait for the release. If it returns nil, each contender or the holder
// has been asked or has left, or there was no holder.
//
// The request replaces the id in the contender's node. It takes one round trip. Without
// contenders it takes two more to find the present holder, even if the session's server
// lags behind.
func (m *Mutex) Revoke(ctx context.Context, contenders ...Contender) error {
	return m.acquirer.revoke(ctx, contenders)
}

// Revoke is like Mutex.Revoke. Without contenders it asks the writer that holds the lock,
// or all readers that share it.
func (m *RWMutex) Revoke(ctx context.Context, contenders ...Contender) error {
	return m.write.revoke(ctx, contenders)
}

// Revoke asks holders, which Holders has returned, to release their permits. Without
// holders it asks all of them, which takes three more round trips. A holder of several
// permits releases all of them. See Mutex.Revoke.
func (m *Semaphore) Revoke(ctx context.Context, holders ...Contender) error {
	if m.argErr != nil {
		return m.argErr
	}
	if len(holders) == 0 {
		err := m.session.Sync(ctx, m.layout.leases)
		if err == nil {
			holders, err = m.Holders(ctx)
		}
		if err != nil {
			return err
		}
	}
	return requestRevoke(ctx, m.session, holders, func(path string) bool {
		parent, name := session.Split(path)
		return parent == m.layout.leases && m.layout.permit.MatchString(name)
	})
}

func (a *acquirer) revoke(ctx context.Context, contenders []Contender) error {
	if err := a.line.Check(); err != nil {
		return err
	}
	if len(contenders) == 0 {
		if err := a.line.Session.Sync(ctx, a.line.Path); err != nil {
			return err
		}
		owners, err := a.line.Owners(ctx)
		if err != nil {
			return err
		}
		for _, path := range owners {
			contenders = append(contenders, Contender{Path: path})
		}
	}
	return requestRevoke(ctx, a.line.Session, contenders, a.line.Has)
}

// requestRevoke writes the request into all nodes concurrently.
func requestRevoke(ctx context.Context, s *session.Session, contenders []Contender, valid func(path string) bool) error {
	for _, c := range contenders {
		if !valid(c.Path) {
			return &session.OpError{Package: "lock", Op: "revoke", Path: c.Path, Err: fmt.Errorf("%w: not the node of a contender", session.ErrInvalid)}
		}
	}
	errs := make([]error, len(contenders))
	var all sync.WaitGroup
	for i, c := range contenders {
		all.Go(func() { errs[i] = requestRevokeOf(ctx, s, c.Path) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// requestRevokeOf writes the request into one node. It repeats a write whose outcome is
// unknown: a second request has the same effect as the first.
func requestRevokeOf(ctx context.Context, s *session.Session, path string) error {
	for {
		_, err := s.Set(ctx, path, revokeData, session.AnyVersion)
		switch {
		case err == nil, errors.Is(err, session.ErrNoNode):
			return nil
		case !errors.Is(err, session.ErrUnknown), ctx.Err() != nil:
			return err
		}
	}
}
