package session

import "context"

// Ownership is the interface of everything that a process can own: a lock's lease, a
// leader's term, a slot, a claimed item, a task's attempt, an entry in a barrier's round.
// It lasts until its holder releases it or loses it.
type Ownership interface {
	// Context is done when the ownership has ended. Its cause wraps ErrLost if the
	// ownership was lost. It has the values of the context of the acquisition, and does
	// not end with that context.
	Context() context.Context
	// Err returns nil while the ownership lasts, and the cause of Context after that. It
	// reads the clock, so that it is right even after the process was suspended.
	Err() error
	// Guards returns operations that make a transaction fail unless the ownership lasts
	// on the servers. Txn is simpler.
	Guards() []Op
	// Verify asks the ensemble to confirm the ownership, in one round trip through the
	// leader. If the ownership has ended, the error is that of Err.
	Verify(ctx context.Context) error
	// Txn commits ops in a transaction that fails with an error that wraps ErrLost
	// unless the ownership lasts. It returns the results of ops only. If the servers
	// refuse one of ops, Txn returns their error, and the ownership continues.
	Txn(ctx context.Context, ops ...Op) ([]Result, error)
	// SessionID returns the id of the ZooKeeper session that owns the nodes.
	SessionID() int64
	// Release ends the ownership without reporting that its work is done. ctx bounds the
	// wait until the node is deleted, which continues in the background. If the
	// ownership has ended before, Release returns the error of Err.
	Release(ctx context.Context) error
}

// Owned is the Ownership of one node.
type Owned interface {
	Ownership
	// Path returns the path of the owner's node.
	Path() string
	// Token returns a number that grows from owner to owner; see Zxid.
	Token() Zxid
}
