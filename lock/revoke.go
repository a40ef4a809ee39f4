package lock

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/zkrecipes/zkrecipes/session"
)

// revokeData is what asks the owner of a node to let go. It is Curator's.
var revokeData = []byte("__REVOKE__")

// Revoked is closed when somebody has asked the holder to let go, with Revoke or
// with Curator's Revoker; also if that was while it still waited in line. It is a
// request: nothing happens to the lease unless its holder unlocks it.
func (l *Lease) Revoked() <-chan struct{} { return l.l.Revoked() }

// Revoke asks contenders to let go, as Contenders has them, or without any who
// holds the lock; see Lease.Revoked. It does not wait for them, and that one has
// gone or nobody holds the lock is no error. Those of this library hear of it; so do
// Curator's that were made revocable.
//
// The request takes the place of the id in the contender's node. It takes one round
// trip. Without contenders it takes two more before, to find who holds the lock now,
// even if the session's server lags behind: nil means that the holder was asked.
func (m *Mutex) Revoke(ctx context.Context, who ...Contender) error {
	return m.acquirer.revoke(ctx, who)
}

// Revoke is Mutex.Revoke. Without contenders it asks the writer that holds the
// lock, or all readers that share it.
func (m *RWMutex) Revoke(ctx context.Context, who ...Contender) error {
	return m.write.revoke(ctx, who)
}

// Revoke asks holders to give their permits back, as Holders has them, or without
// any all of them; see Mutex.Revoke. Whoever has several gives back all of them.
func (m *Semaphore) Revoke(ctx context.Context, who ...Contender) error {
	if m.argErr != nil {
		return m.argErr
	}
	if len(who) == 0 {
		err := m.session.Sync(ctx, m.layout.leases)
		if err == nil {
			who, err = m.Holders(ctx)
		}
		if err != nil {
			return err
		}
	}
	return requestRevoke(ctx, m.session, who, func(path string) bool {
		parent, name := session.Split(path)
		return parent == m.layout.leases && m.layout.permit.MatchString(name)
	})
}

func (t *acquirer) revoke(ctx context.Context, who []Contender) error {
	if err := t.line.Check(); err != nil {
		return err
	}
	if len(who) == 0 {
		if err := t.line.Session.Sync(ctx, t.line.Path); err != nil {
			return err
		}
		owners, err := t.line.Owners(ctx)
		if err != nil {
			return err
		}
		for _, path := range owners {
			who = append(who, Contender{Path: path})
		}
	}
	return requestRevoke(ctx, t.line.Session, who, t.line.Has)
}

// requestRevoke writes the request into the nodes of all of them at the same time.
func requestRevoke(ctx context.Context, s *session.Session, who []Contender, valid func(path string) bool) error {
	for _, c := range who {
		if !valid(c.Path) {
			return &session.OpError{Package: "lock", Op: "revoke", Path: c.Path, Err: fmt.Errorf("%w: not a contender here", session.ErrInvalid)}
		}
	}
	errs := make([]error, len(who))
	var all sync.WaitGroup
	for i, c := range who {
		all.Go(func() { errs[i] = requestRevokeOf(ctx, s, c.Path) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// requestRevokeOf repeats a write of which it is not known whether it was done: a second
// request is as good as the first.
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
