// Package wire implements the ZooKeeper client protocol: frames, records, operation
// codes and error codes, in both directions. Package session and the in-process
// server of package zktest use it.
//
// Every record has Encode and Decode, so client and server share one definition. A
// Decoder never panics and never allocates more than the length of its input, for
// any input.
package wire
