// Package inspect recognizes which recipes have nodes below a path, and describes
// them: owners, waiters, items, members, values, and why nothing moves. It knows the
// layouts of this module, of Curator, Kazoo and go-zookeeper, and some nodes of
// Kafka, HBase and Solr.
//
// Read returns a Report of one moment, Watch one after each change. Both only read.
//
// # Recognition
//
// Each function in the table of recognizers looks at one node: its data, the names
// of its children, and a few of the children. The first one that returns a match
// decides. If several recipes have such nodes, Recipe.Or names the others.
//
// # Cost
//
// Nodes are read level by level, many in one flight. Limits bounds how many are
// read; Report.LeftOut and Recipe.LeftOut say what was not.
package inspect
