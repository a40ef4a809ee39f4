// Package lock provides mutual exclusion between processes.
//
// An acquisition is a value: Lock returns a Lease, which is held until its
// Context is done. Ownership ends when Unlock is called, when the session can no
// longer be sure that it lives, and when somebody removes the holder's node; in
// each case before anybody else can own the lock, as far as clocks that run at
// the same rate can tell. A process that is stopped for longer than its session
// timeout cannot notice in time. For that there are Token, to be checked by what
// the lock protects, and Guard, for what lives in ZooKeeper.
//
// The algorithm is the lock of the ZooKeeper recipes, a line of sequential
// ephemeral nodes in which everybody watches those ahead; the nodes are named as
// Apache Curator names them, so that Java processes contend for the same lock.
package lock
