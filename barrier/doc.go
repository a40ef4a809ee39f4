// Package barrier makes processes wait for each other: Barrier holds callers until it
// is lowered, Double starts and ends a piece of work together on several processes, and
// Latch waits for a number of events.
//
// Use a Barrier to stop work until an operator or another process permits it. Use a
// Double for a computation that n processes begin and end at the same time. A member
// of a Double can lose its membership while it works: the context of its Entry is then
// canceled. Use a Latch to wait until n pieces of work are done, also if the processes
// that did them have ended since.
//
// # Usage
//
//	b := barrier.New(s, "/app/maintenance")
//	err := b.Wait(ctx) // returns when the barrier is down
//
//	d := barrier.NewDouble(s, "/app/step", 4)
//	entry, err := d.Enter(ctx) // returns when 4 members have arrived
//	...
//	err = entry.Leave(ctx) // returns when all 4 have left
//
//	l := barrier.NewLatch(s, "/app/loaded", 8)
//	err = l.CountDown(ctx) // after each of 8 events, in any process
//	err = l.Wait(ctx)      // returns after the eighth CountDown
//
// # Rounds
//
// A round begins with one transaction. It checks that exactly these n members still
// exist, records their names in the data of the barrier's path, and creates the node
// ready. A recorded member is in the round, and no other. A member that gives up
// deletes its node in a transaction that checks that it is not recorded. So all
// members agree on who takes part.
//
// The double barrier of the ZooKeeper recipes, and those of Curator and Kazoo, begin
// differently: the member that counts n members creates ready, and every member that
// sees ready continues. There, members that have counted a member still count it after
// it has given up or died, and a ready node that a crash has left lets any member
// through.
//
// # Layout
//
// A Barrier is one node: the barrier is up while the node exists. It is the barrier of
// the ZooKeeper recipes, of Apache Curator's DistributedBarrier and of Kazoo's
// Barrier. A Double has the nodes of Curator's DistributedDoubleBarrier and of Kazoo's
// DoubleBarrier, or those of Layout Synchronizing. A Latch is one node that holds its
// count; no other library has it.
package barrier
