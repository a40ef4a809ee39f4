// Package wire is the ZooKeeper client protocol: frames, records, operation
// codes and error codes, in both directions. The session speaks it to servers
// and the in-process server of package zktest speaks it back.
//
// Every record has Encode and Decode, so one definition serves both ends. A
// Decoder never panics and never allocates more than its input is long,
// whatever bytes it is fed.
package wire
