// Package session connects a process to a ZooKeeper ensemble. All recipes of this
// module work on a Session.
//
// Use it directly for reads, writes, transactions and watches. Its danger is
// ownership: what a process owns through an ephemeral node is lost when its
// ZooKeeper session ends, which can happen at any moment.
//
// # Usage
//
// Connect once per process and ensemble, share the Session, and Close it at the end:
//
//	s, err := session.Connect(ctx, "zk1:2181,zk2:2181,zk3:2181/app")
//	if err != nil {
//		return err
//	}
//	defer s.Close(context.Background())
//	data, stat, err := s.Get(ctx, "/limit")
//
// A Session reconnects by itself. It dials with backoff, resumes its ZooKeeper
// session while that lives, and opens a new one after that. The life of one
// ZooKeeper session is an Epoch. The methods of Session continue in the next epoch;
// the methods of Epoch fail with ErrExpired when the epoch has ended.
//
// Every call is bounded by its context, also while there is no connection.
//
// # Loss
//
// A server that has lost its leader still answers pings. So a session that owns
// something sends an empty transaction through the leader every quarter of its
// timeout, and ends the epoch by its own clock if these proofs are missing. It does
// so before another client can be given what it owned, unless the process is
// suspended for too long to notice. docs/guarantees.md has the argument. Writes
// outside of ZooKeeper are protected by a token; see Zxid.
//
// # Errors
//
// The error of an operation is an *OpError that wraps one of the errors of this
// package. A write whose reply is lost is looked up and not repeated blindly. It
// ends as committed, as not committed, or with ErrUnknown.
//
// # Cost
//
// Each read or write takes one round trip. While something is owned, a transaction
// without effect is sent every quarter to sixteenth of the session timeout.
//
// # Layout
//
// Apart from the nodes that its caller names, a session creates missing ancestors,
// as containers, and receipts: ephemeral nodes under DefaultReceipts, or where
// WithReceipts says.
//
// # For authors of recipes
//
// How is the outcome of a write known, whatever happens to the epoch? Run the write
// in InEpoch, and commit it with Epoch.TxnWithReceipt or Epoch.TxnDetached. Both
// also write a receipt, an ephemeral node that shows after a lost reply whether the
// transaction was committed. Use TxnWithReceipt if the caller waits for the outcome
// even after its context is done; use TxnDetached if the caller returns when its
// context is done, and the late outcome is handled in a callback. From both,
// ErrExpired without ErrUnknown means that the epoch has ended and that the
// transaction was not committed and will not be: InEpoch repeats it in the next
// epoch. ErrUnknown means that the epoch ended before a server could be asked, that
// receipts are not available (WithReceipts), or, from TxnDetached, that the callback
// gets the outcome. InEpoch returns ErrUnknown to its caller, since a repetition
// could apply the write twice.
//
// How is something owned? Call Epoch.KeepProving (or, with a stop time,
// Epoch.CheckStopTime, Epoch.KeepProvingFor and Epoch.AwaitStopTime) before the
// ephemeral node is created, and stop proving when ownership has ended. All work
// under the ownership must have stopped by Epoch.Deadline, and when Epoch.Context is
// done. Delete the node with Epoch.DeleteEventually, which retries in the background
// until the node is deleted or the epoch has ended.
//
// Where is state kept that callers on one session share, such as the callers that wait
// for the same lock? Use Local instead of a package variable: sessions then share no
// mutex, and the state is removed with its last user or the session.
//
// Only recipes need InEpoch, Local and NewError, the option Siblings, and these methods
// of Epoch: AwaitStopTime, Blocked, CheckStopTime, DeleteEventually, KeepProving,
// KeepProvingFor, Stats, Suspended, TxnDetached, WatchChildrenSince and
// WatchListings.
//
// go-zookeeper is the dial loop, the handshake and the pinger; the request path is
// this module's own, for the reasons in docs/client.md.
package session
