// Package lock provides locks that exclude other processes: Mutex for one holder,
// RWMutex for one writer or many readers, Semaphore for a number of permits, and
// Multi for several locks at once.
//
// Use a lock for work that only one process may do at a time. If one process
// should do the work for as long as it lives, use package election instead. The
// danger is a holder that is suspended, for example by its virtual machine, for
// longer than its session timeout: it cannot notice in time that it has lost the
// lock.
//
// # Usage
//
//	err := lock.New(s, "/app/report").Do(ctx, func(ctx context.Context, l *lock.Lease) error {
//		return writeReport(ctx, l.Token())
//	})
//
// Lock returns a Lease, which is held until its Context is done. Enter returns a
// Place in the line, which reports its position. Revoke asks a holder to release
// the lock; the holder receives the request at Lease.Revoked.
//
// # Loss
//
// A holder loses the lock when the session can no longer be sure that it lives,
// and when the holder's node is deleted. The lease's Context is done before
// another session can own the lock, provided that the clocks of client and
// servers run at the same rate. To be safe from a suspended holder, let what the
// lock protects check Lease.Token, and use Lease.Txn for writes to ZooKeeper.
//
// # Fairness
//
// Waiters acquire a lock in the order in which they joined its line. A waiter keeps
// its position across reconnects. If its ZooKeeper session expires, it joins again
// at the end of the line.
//
// # Errors
//
// If ctx ends while a call waits, the error wraps context.Cause(ctx). The Try
// methods return ErrLocked instead of waiting. With a bad path, count or option, every
// call returns an error that wraps session.ErrInvalid.
//
// # Cost
//
// Acquiring a free Mutex takes one round trip, waiting for it one more, and releasing
// it one. Acquiring free permits of a Semaphore takes three.
//
// # Layout
//
// The algorithms are those of the ZooKeeper recipes: a line of sequential ephemeral
// nodes in which each waiter watches nodes ahead of its own, and readers wait for
// writers only. The nodes are named as Apache Curator names them, so that Java
// processes contend for the same locks and permits. WithLayout(Kazoo) selects the
// names of Kazoo.
package lock
