// Package naming gives names and numbers that are unique in an ensemble.
//
// A [Sequence] gives numbers that nobody else is ever given, by compare-and-set on
// one node, one at a time or in blocks; with [WithNodes] by sequential nodes. A set
// of [Slots] lends the small numbers from 0 to n-1, each to one session at a time:
// ids of workers, shards, or the machine bits of a Snowflake generator. A
// [Directory] binds hierarchical names to values: for good, for as long as the
// binding process lives, or as a link to another name.
//
// Numbers of a sequence are Curator's DistributedAtomicLong or Kazoo's Counter,
// which count on the same node. The node layouts are in docs/znode-layout.md.
package naming
