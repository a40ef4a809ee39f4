// Package session is the one connection that a process keeps to a ZooKeeper
// ensemble, and that every recipe shares.
//
// A Session heals itself. It redials with backoff, resumes its ZooKeeper session
// as long as that lives, and opens a new one after that; each ZooKeeper session
// is an Epoch. Reads and unconditional work go on across epochs. Ownership does
// not: what was owned in an epoch ends with it.
//
// Three things are different from a plain client.
//
// Loss is declared by the session's own clock. A server that has lost its leader
// goes on answering pings, so a session that owns something has the ensemble
// confirm it by an empty transaction every quarter of its timeout, and gives up
// before anybody else can be given what it owns: see Epoch.KeepProving and
// docs/guarantees.md.
//
// A write whose reply is lost is looked up, not repeated blindly. It ends as
// committed, as not committed, or as ErrUnknown.
//
// Every call is bounded by its context, also while there is no connection, and
// leaves nothing behind when that ends.
package session
