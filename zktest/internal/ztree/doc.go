// Package ztree is the state machine of a ZooKeeper server: a tree of nodes that
// transactions change. It has no connections, no clock and no goroutines.
//
// A server reads nodes with [Tree.Node] and changes them with a [Txn]. The transaction
// reports in its triggers what the watches of the nodes have to be notified of.
package ztree
