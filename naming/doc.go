// Package naming assigns names and numbers that are unique in an ensemble.
//
// Use a [Sequence] for numbers that are never assigned twice. Use [Slots] for small
// numbers that are held by one session at a time: ids of workers, shards, or the
// machine bits of a Snowflake generator. A slot can be lost while its holder runs; its
// context is then canceled. Use a [Directory] to bind hierarchical names to values.
//
// # Usage
//
//	n, err := naming.NewSequence(s, "/app/orders").Next(ctx)
//
//	slot, err := naming.NewSlots(s, "/app/workers", 1024).Acquire(ctx)
//	...
//	defer slot.Release(ctx)
//
//	d := naming.NewDirectory(s, "/app/names")
//	err = d.Bind(ctx, "printers/floor2", addr, naming.WithEphemeral())
//
// # Layout
//
// A Sequence counts by compare-and-set on one node, one number at a time or in blocks
// ([WithBlock]); with [WithSequentialNodes] by sequential nodes. It counts on the same
// node as Curator's DistributedAtomicLong, or with [WithDecimal] as Kazoo's Counter.
// The node layouts are in docs/znode-layout.md.
package naming
