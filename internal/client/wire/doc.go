// Package wire implements the ZooKeeper client protocol: frames, records, operation
// codes and error codes, in both directions. Package session and the in-process
// server of package zktest use it.
//
// A record has one method, with which client and server both encode and decode it.
// Decoding never panics and never allocates more than the length of its input, for
// any input.
package wire
