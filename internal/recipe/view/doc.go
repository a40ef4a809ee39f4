// Package view follows a part of the tree: one node, the children of a node with
// their data, or everything below it. Use it to read nodes often: a View answers
// from memory, across reconnects and epochs, with immutable snapshots. A snapshot
// may be out of date; View.Err says why.
//
// # Algorithm
//
// Every followed node has a one-shot watch of its data and, where its children are
// followed, one of its children. A watch that has fired marks a part that is out of
// date. Only these parts are read again, in as few flights as there are levels. If
// no watch has fired when the last reply arrives, the snapshot is the state of the
// tree at the moment of that reply, because a server sends the event of a change
// before it answers any read that would show the change. Only such states are
// published, unless Options.Patience limits the wait for one.
//
// A node has changed if its zxids, version, time or data differ. Neither the version
// nor the zxid is enough: a node that is deleted and created again has the versions
// of the old one, and servers that lose their data, or are restored, give out the
// same zxids again.
//
// In a later ZooKeeper session a server is synced before the first read, so that a
// view does not show an older state than before unless the servers lost data.
//
// # Access
//
// A server sends no event of a node to a session that may not read the node at that
// moment. A client that loses the right to read and gets it back may miss changes
// until its next ZooKeeper session.
package view
