// Package lock provides mutual exclusion between processes: Mutex for one at a
// time, RWMutex for one writer or many readers, Semaphore for a number of permits,
// and Multi for several locks at once.
//
// An acquisition is a value: Lock returns a Lease, which is held until its
// Context is done. Ownership ends when Unlock is called, when the session can no
// longer be sure that it lives, and when somebody removes the holder's node; in
// each case before anybody else can own the lock, as far as clocks that run at
// the same rate can tell. A process that is stopped for longer than its session
// timeout cannot notice in time. For that there are Token, to be checked by what
// the lock protects, and Txn, for what lives in ZooKeeper.
//
// Whoever waits stands in line, and is served in the order of arrival. Enter
// returns a Place in the line, for those who want to know how far they have come.
// Revoke asks a holder to let go, who sees it at Lease.Revoked.
//
// The algorithms are those of the ZooKeeper recipes: lines of sequential ephemeral
// nodes in which everybody watches those ahead, of which readers wait for writers
// only. The nodes are named as Apache Curator names them, so that Java processes
// contend for the same locks and permits, or by option as Kazoo does.
package lock
