// Package config stores configuration in ZooKeeper and keeps programs up to date with
// it.
//
// Use a Value for one node and a Tree for all nodes below a path. What they show may
// be out of date: while the session is disconnected, or a node does not hold a valid
// value, they show the last good value, and Err returns the reason. After the deletion
// of its node a Value does the same; a Tree removes the key.
//
// # Usage
//
//	limits, err := config.Open(ctx, s, "/app/limits", codec.JSON[Limits]())
//	...
//	defer limits.Close()
//	l := limits.Load()
//
//	_, err = config.Update(ctx, s, "/app/limits", codec.JSON[Limits](), func(l Limits) (Limits, error) {
//		l.MaxConns = 100
//		return l, nil
//	})
//
// Update changes a value by compare-and-set. If several clients update at the same
// time, none overwrites a value that it has not seen. A lost reply is neither an error
// nor counted twice. A codec.Codec decides what is stored; codec.Checked refuses
// invalid values on writing and on reading.
//
// # Cost
//
// Load is one atomic load. A change is read immediately; if there are many, at most
// about ten times a second.
//
// # Layout
//
// The algorithm is the configuration of the ZooKeeper recipes, a node that all clients
// watch. Versions are distinguished by the transactions that wrote them: a node that
// is deleted and created again is a new version.
package config
