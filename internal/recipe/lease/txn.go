package lease

import (
	"context"
	"errors"
	"slices"

	"github.com/zkrecipes/zkrecipes/session"
)

// Txn carries out ops in a transaction that also checks the guards of the lease. It
// returns the results of ops. See Txn of several leases.
func (l *Lease) Txn(ctx context.Context, ops ...session.Op) ([]session.Result, error) {
	return Txn(ctx, []*Lease{l}, ops...)
}

// Txn carries out ops in a transaction that also checks the guards of all leases, of
// which there must be one. If one of them has ended, it returns the cause of that
// lease's context. A refusal of ops does not end a lease.
//
// It takes one round trip. If ctx or the epoch ends before the outcome is known, the
// error is session.ErrUnknown.
func Txn(ctx context.Context, leases []*Lease, ops ...session.Op) ([]session.Result, error) {
	for {
		var guards []session.Op
		var paths []string
		var versions []int32
		for _, l := range leases {
			if err := l.Err(); err != nil {
				return nil, err
			}
			for _, c := range l.checks() {
				guards = append(guards, session.OpCheck(c.Path, c.Version))
				paths = append(paths, c.Path)
			}
			versions = append(versions, l.version.Load())
		}
		results, err := leases[0].acquired.Epoch.TxnDetached(ctx, nil, append(guards, ops...)...)
		if err == nil {
			return results[len(guards):], nil
		}
		var oe *session.OpError
		refusedCheck := errors.As(err, &oe) && oe.Op == "check" && slices.Contains(paths, oe.Path)
		if errors.Is(err, session.ErrUnknown) || !refusedCheck && !errors.Is(err, session.ErrExpired) {
			return nil, err
		}
		// The check may also be one of ops. What the servers know of the leases tells.
		published := false
		for i, l := range leases {
			if lost := l.Verify(ctx); lost != nil {
				return nil, lost
			}
			published = published || l.version.Load() != versions[i]
		}
		if !published {
			return nil, err
		}
	}
}
