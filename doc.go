// Package zkrecipes is the overview of a module of coordination recipes on Apache
// ZooKeeper. It contains no code. Each recipe is a package and uses a session that all
// recipes of a process share. The recipes keep their promises when networks and
// servers fail; docs/guarantees.md lists these promises and their limits.
//
//	s, err := session.Connect(ctx, "zk1:2181,zk2:2181,zk3:2181")
//	...
//	err = lock.New(s, "/app/lock").Do(ctx, func(ctx context.Context, l *lock.Lease) error {
//		return work(ctx, l.Token())
//	})
//
// # Which package
//
// Package [github.com/zkrecipes/zkrecipes/session] is where every program begins: a
// Session is the connection of a process to an ensemble. It reconnects, opens a new
// ZooKeeper session when the old one has expired, and ends ownership in time. Its
// reads, writes and transactions can be used directly for other purposes.
//
// Package [github.com/zkrecipes/zkrecipes/lock] is for work that only one process may
// do at a time. Use Do if the work is a function, TryLock if the work can be skipped
// while another process does it, and the lease's Token or Txn to fence the writes of
// a process that was suspended. RWMutex lets readers share a lock, Semaphore admits a
// limited number of holders, and Multi acquires several locks at once.
//
// Package [github.com/zkrecipes/zkrecipes/election] is for a role that one of many
// processes has for as long as it lives. Run campaigns and leads; Leader and Observe
// show the other processes who leads and at which address. Use a lock for a piece of
// work and an election for a role. WithFixedNode is compatible with programs that
// elect by one ephemeral node.
//
// Package [github.com/zkrecipes/zkrecipes/barrier] is for processes that continue
// together. A Barrier blocks its waiters until it is lowered. A Double blocks each
// member until all have arrived, and again until all are done. All members of a round
// agree on its members, even if processes die. A Latch blocks its waiters until n
// events were counted, each once.
//
// Package [github.com/zkrecipes/zkrecipes/queue] is for work that any free consumer
// can take. Push appends an item once, even if the reply is lost. Pop takes an item at
// most once. Consume processes each item at least once, with attempts and dead
// letters. Layouts make the nodes compatible with the queues of Curator and Kazoo.
//
// Package [github.com/zkrecipes/zkrecipes/config] is for settings that change while
// programs run. A Value is one setting, a Tree a directory of settings. Both answer
// from memory and keep the last good value if a bad one is written. Update changes a
// value without overwriting concurrent changes.
//
// Package [github.com/zkrecipes/zkrecipes/membership] is for groups whose members
// change. Join makes a process a member in every ZooKeeper session that it has;
// Members and Watch show the members, their data and when they joined. Membership
// gives no exclusive rights: use an election or a lock for these. For a service with
// clients use package registry.
//
// Package [github.com/zkrecipes/zkrecipes/registry] is for services that run in many
// instances. Each instance registers its address for as long as it lives; clients
// find, watch and pick instances. The nodes are those of Curator, Spring Cloud, Go
// Micro, go-kratos or Twitter's server sets. The modules contrib/grpcresolver and
// contrib/kratos are adapters for gRPC and go-kratos.
//
// Package [github.com/zkrecipes/zkrecipes/tasks] is for work that clients submit to a
// pool of workers. A master assigns each task to a live worker, and to another one if
// that worker dies. Each task gets one final status, for which its client can wait. In
// a queue consumers take their items; here the master assigns the work.
//
// Package [github.com/zkrecipes/zkrecipes/naming] is for unique names and numbers. A
// Sequence gives out each number once. Slots are small numbers, such as ids of workers,
// that one process holds at a time. A Directory binds names to values, permanently or
// for as long as the process that binds them lives.
//
// Package [github.com/zkrecipes/zkrecipes/codec] converts the values of your types to
// the data of nodes and back, for the recipes that have values: JSON, text, bytes,
// Curator's integers, and a validation for any of them.
//
// Package [github.com/zkrecipes/zkrecipes/zktest] is for tests of programs that use
// these packages. It provides a ZooKeeper server in the process of the test, which can
// lose replies, cut connections and expire sessions, and ensembles of real servers on
// the same machine.
//
// The command zkr, in cmd/zkr, provides the recipes for the shell. It runs programs
// under a lock, while they lead, or for each item of a queue, reads and writes the
// data of the recipes, and starts servers for trying them out.
package zkrecipes
