// Package config keeps configuration in ZooKeeper, and programs up to date with it.
//
// A Value is one node: Load is the last good value, in one atomic load, and goes on
// being that while the node holds nonsense, while it is deleted, and while there is
// no connection; Err says so. A Tree is a directory of values, shown as one map that
// was the case at one moment. Both are read at once after a change, and at most some
// ten times a second while there are many.
//
// Update changes a value by compare-and-set: of any number of clients that do so at
// the same time, none overwrites what it has not seen, and a reply that is lost is
// neither an error nor counted twice.
//
// What is stored is up to a codec.Codec; codec.Checked refuses values that must not
// come into force, on both sides.
//
// The algorithm is the configuration of the ZooKeeper recipes, a node that everybody
// watches, with the difference that nodes are told apart by the transactions that
// wrote them: one that is deleted and created anew is a new version.
package config
