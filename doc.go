// Package zkrecipes is the map of a module of coordination recipes on Apache
// ZooKeeper. It has no code of its own: each recipe is a package, takes a session
// that all of them share, and keeps its promises when networks and servers do
// not.
//
//	s, err := session.Connect(ctx, "zk1:2181,zk2:2181,zk3:2181")
//	...
//	err = lock.New(s, "/app/lock").Do(ctx, func(ctx context.Context, l *lock.Lease) error {
//		return work(ctx, l.Token())
//	})
//
// # Which package
//
// Package [github.com/zkrecipes/zkrecipes/session] is what everything begins with:
// the one connection of a process to an ensemble. It reconnects, opens a new
// ZooKeeper session when the old one has expired, and says when ownership ends.
// Its reads, writes and transactions also serve for what no recipe does.
//
// Package [github.com/zkrecipes/zkrecipes/lock] is for work that must not be done
// twice at the same time: whoever comes takes a turn, does it, and leaves. Use Do
// where the work is a function, TryLock where it may be left to whoever is at it
// already, and the lease's Token or Txn where a process that was stopped in the
// middle must do no harm when it goes on. Its RWMutex lets readers share, its
// Semaphore lets a number of processes in, and its Multi takes several locks at once.
//
// Package [github.com/zkrecipes/zkrecipes/election] is for work that one of many
// does for as long as it lives, while the others stand by: Run campaigns and leads,
// Leader and Observe tell everybody else who does and where to find it. In short, a
// lock is for a piece of work and an election for a role. WithFixedNode lives with
// programs that elect by one ephemeral node.
//
// Package [github.com/zkrecipes/zkrecipes/barrier] is for processes that go on
// together: a Barrier holds up whoever comes until somebody lowers it, and a Double
// holds up each of its members until all are there, and again until all are done.
// All members of a round agree on who is in it, whatever dies on the way.
//
// Package [github.com/zkrecipes/zkrecipes/queue] is for work that is handed to
// whoever is free: Push appends an item once, whatever becomes of the reply; Pop takes
// one out, at most once, and Consume works on each at least once, with attempts and
// dead letters. The nodes may be those of Curator's or Kazoo's queues.
//
// Package [github.com/zkrecipes/zkrecipes/config] is for settings that change while
// programs run: a Value is one of them and a Tree a directory of them, always at hand
// without a request, and the last good ones whatever is written by mistake. Update
// changes one without overwriting what others have changed meanwhile.
//
// Package [github.com/zkrecipes/zkrecipes/membership] is for groups whose members
// come and go: Join makes a process one of them, in every session that it has, and
// Members and Watch tell everybody who is there, with what data, and since when.
// It says who takes part and not who may do what: for that, take an election or a
// lock. A service that others call is rather for a registry.
//
// Package [github.com/zkrecipes/zkrecipes/registry] is for services that run in many
// instances: each says where it is for as long as it lives, and whoever calls the
// service finds, watches and picks among them. The nodes are those of Curator, Spring
// Cloud, Go Micro, go-kratos or Twitter's server sets. The modules
// contrib/grpcresolver and contrib/kratos put it under gRPC and go-kratos.
//
// Package [github.com/zkrecipes/zkrecipes/tasks] is for work that clients submit and a
// pool of workers carries out: a master assigns each task to a live worker, and to
// another when that one dies, and each task has one outcome that its client waits
// for. Unlike a queue, whose consumers help themselves, it decides who does what.
//
// Package [github.com/zkrecipes/zkrecipes/naming] is for names and numbers that
// must be unique: a Sequence counts, once for all; Slots lend small numbers, such
// as ids of workers, to one process each; a Directory binds names to values, for
// good or for as long as the process lives that binds them.
//
// Package [github.com/zkrecipes/zkrecipes/codec] turns the values of your types
// into the data of nodes and back, for the recipes that carry such values: JSON,
// text, bytes, Curator's integers, and a check behind any of them.
//
// Package [github.com/zkrecipes/zkrecipes/zktest] is for the tests of all these,
// and of yours: a ZooKeeper server within the test's process, which loses replies,
// cuts connections and expires sessions when told to, and ensembles of real servers
// on this machine.
//
// The command zkr, in cmd/zkr, is the recipes for the shell: it runs programs under
// a lock, while they lead, or for each item of a queue, reads and writes what the
// recipes keep, and starts servers to try it with.
package zkrecipes
