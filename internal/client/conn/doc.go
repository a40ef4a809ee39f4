// Package conn is the connection of a session to an ensemble: dialing, the handshake, the
// requests and their replies, the watches on the servers, the proofs that the ZooKeeper
// session lives, and closing. Package session gives it to programs.
//
// A Connector lasts as long as a session. It makes a Conn for each ZooKeeper session,
// that is for each epoch. A Conn uses one transport after the other, each of which is one
// network connection.
//
//	session.Session    Connector    what the servers can do; all goroutines
//	session.Epoch      Conn         id, proofs and deadline, shared watches
//	                   transport    the requests in flight
//
// A request is a Call. Exchange sends calls that belong together. The reply or error of a
// Call that is done is final, unless the Call is Retryable: then the caller sends another
// Call with the same Attempts, or, if it was Written, first finds out whether it was
// committed.
//
// Paths are those of the server, with the chroot. The package knows no operation of
// package session: callers give it the protocol's records.
package conn
