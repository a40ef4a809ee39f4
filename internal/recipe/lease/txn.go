package lease

import (
	"context"
	"errors"
	"slices"

	"github.com/zkrecipes/zkrecipes/session"
)

// Txn executes ops in a transaction that also contains the guards of the lease. It
// returns the results of ops. See the function Txn.
func (l *Lease) Txn(ctx context.Context, ops ...session.Op) ([]session.Result, error) {
	return Txn(ctx, []*Lease{l}, ops...)
}

// Txn executes ops in a transaction that also contains the guards of all leases.
// There must be at least one lease. If one has ended, Txn returns the cause of its
// context. A refusal of ops does not end a lease.
//
// Txn takes one round trip. If ctx or the epoch ends before the outcome is known,
// the error is session.ErrUnknown.
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
			versions = append(versions, l.guardVersion())
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
		// The refused check may also be one of ops: verify the leases.
		changed := false // the holder has published since, or a client has asked it to release
		for i, l := range leases {
			if lost := l.Verify(ctx); lost != nil {
				return nil, lost
			}
			changed = changed || l.guardVersion() != versions[i]
		}
		if !changed {
			return nil, err
		}
	}
}
