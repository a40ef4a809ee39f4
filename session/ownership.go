package session

import "context"

// Ownership is what the holder of something has until it releases it or loses it: a
// lock's lease, a leader's term, a slot, a claimed item, a task's attempt, a place in a
// barrier's round.
type Ownership interface {
	// Context is done when the ownership has ended. Its cause wraps ErrLost if the
	// ownership was lost. It carries the values of the context of the acquisition, and
	// not its end.
	Context() context.Context
	// Err is nil while the ownership lasts, and then the cause of Context. It looks at
	// the clock, so that it is right even after the process was suspended.
	Err() error
	// Guards are operations that make a transaction fail unless the ownership lasts on
	// the servers. Txn is simpler.
	Guards() []Op
	// Verify has the ensemble confirm the ownership, in one round trip through the
	// leader. If it has ended, the error is that of Err.
	Verify(ctx context.Context) error
	// Txn carries out ops in a transaction that fails with an error that wraps ErrLost
	// unless the ownership lasts. It returns the results of ops only. If the servers
	// refuse one of ops, the error is theirs and the ownership goes on.
	Txn(ctx context.Context, ops ...Op) ([]Result, error)
	// SessionID is the id of the ZooKeeper session that owns.
	SessionID() int64
	// Release ends the ownership without claiming that its work is done. ctx bounds
	// the wait for the node to be deleted, which goes on in the background. If the
	// ownership has ended before, it returns the error of Err.
	Release(ctx context.Context) error
}

// Owned is the Ownership of one node.
type Owned interface {
	Ownership
	// Path is the owner's node.
	Path() string
	// Token is a number that grows from owner to owner. See Zxid.
	Token() Zxid
}
