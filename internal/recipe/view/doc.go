// Package view follows a part of the tree: one node, the children of a node with
// their data, or everything below it. A View survives reconnects and epochs, and
// hands out snapshots that are never changed.
//
// Every node that is followed has a one-shot watch on its data and, where its
// children are followed, one on these. Watches that have fired mark what is out of
// date; that alone is read again, in as few flights as there are levels. When the
// last answer is there and no watch has fired meanwhile, what has been read is the
// state of the tree at the moment of that answer, since a server tells of a change
// before it answers any read that would show it. Only such states are published,
// unless the view is told to be less patient.
//
// A node has changed if its zxids, version, time or data differ. A node that is
// deleted and created again begins with the versions of the old one, and servers that
// lose their data, or are restored, begin again with the zxids.
//
// In a later session a server is synced before the first read, so that a view never
// goes back to an older state unless the servers have.
//
// One thing cannot be followed: servers tell of no change of a node to those who
// may not read it at that moment. Who loses that right and regains it may hear of
// changes again only in the next session.
package view
