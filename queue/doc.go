// Package queue passes values from those who produce them to those who consume
// them, in order, each to one.
//
// A Queue hands an item over in one of two ways. Pop removes it before it is
// returned: at most once, so that an item is gone when the process dies with it.
// Claim and Consume leave it in the queue, claimed, until it is acknowledged: at
// least once, so that an item is handed out again when its consumer dies, at the
// end of the consumer's session. Consume is Claim in a loop, with concurrency, with
// pauses between attempts, and with dead letters for what fails again and again.
//
// # Order
//
// Items come in the order of their priorities, the lowest number first, and among
// equals in the order in which the pushes reached the ensemble. What is put back
// keeps its place. One consumer gets items exactly in this order, with one
// exception: when more than 128 are waiting, one that goes before others that were there
// first may be noticed late, by 5 µs for each that waits.
//
// Several consumers take items in about this order: when they get in each other's
// way, they step aside by up to 15 items, and a consumer that has other items to take
// notices within a tenth of a second that another's claim has ended.
//
// # What a lost reply does
//
// Nothing. Push, Pop, Claim and Ack are transactions with a receipt (see
// [session.Session.TxnWithReceipt]), so it is known whether they happened as long
// as the session lives: an item is pushed once, is returned or stays, and is
// acknowledged or not. When a session ends, or a context does, while the outcome
// of what was sent is not known, the error is [session.ErrUnknown].
//
// # What it costs
//
// The cost of an item does not grow with the number of items that wait. The names
// of all items are listed once and kept; after that, items are read by name, and
// the list is read again when it is used up, or when others have pushed and the
// time that a list takes is small beside the time since the last one. A consumer
// that waits watches the children of the queue.
//
// A queue of ZooKeeper is for tens of thousands of items of a few kilobytes,
// because servers keep everything in memory, and its strength is that nothing is
// lost. For more there are message brokers.
//
// # Other libraries
//
// WithLayout makes the nodes those of Curator's DistributedQueue and its kin or of
// Kazoo's queues, so that producers and consumers of both sides share a queue.
package queue
