// Package queue provides a distributed queue: producers push values, and each value
// is delivered to one consumer, in order.
//
// Use a queue to hand work to other processes. With Claim and Consume no item is lost
// when a consumer dies; an item can then be delivered more than once, so its consumer
// must tolerate that. A queue is made for tens of thousands of items of a few
// kilobytes, because the servers keep everything in memory. For more data use a
// message broker.
//
// # Usage
//
// Items are taken in one of two ways:
//
//   - Pop removes the item before it returns it: at most once. If the process dies,
//     the item is lost.
//   - Claim and Consume leave the item in the queue, claimed, until it is
//     acknowledged: at least once. If the consumer dies, the item is delivered again
//     when the consumer's session ends.
//
// Consume is Claim in a loop, with concurrency, with pauses between attempts, and
// with dead letters for items that fail repeatedly.
//
// # Order
//
// Items are ordered by priority, the lowest number first. Items of the same priority
// have the order in which their pushes reached the ensemble. An item that is put
// back keeps its position. A single consumer gets the items in exactly this order,
// with one exception: if more than 128 items wait, the consumer may notice a new
// item that precedes older ones late, by 5 µs for each waiting item.
//
// Several consumers take items in approximately this order: after a conflict a
// consumer skips up to 15 items, and a consumer that has other items to take notices
// the end of another consumer's claim within a tenth of a second.
//
// # Loss
//
// A lost reply has no effect. Push, Pop, Claim and Ack are transactions with a
// receipt (see [session.Session.TxnWithReceipt]), so their outcome is known as long
// as the session lives: an item is pushed once, is either returned or left in the
// queue, and is either acknowledged or not. If the session or the context ends
// before the outcome is known, the error is [session.ErrUnknown].
//
// A claim is lost if its session ends or if its node is deleted. The item's context
// is then canceled.
//
// # Cost
//
// The cost of an item does not depend on the number of items that wait. The names of
// all items are listed once and cached. After that, items are read by name. The
// names are listed again when the cache is used up, or when other clients have
// pushed and a listing takes little time compared to the time since the last one. A
// waiting consumer watches the children of the queue.
//
// # Layout
//
// WithLayout selects the nodes of Curator's DistributedQueue and related queues, or
// those of Kazoo's queues, so that producers and consumers that use these libraries
// can share the queue.
package queue
