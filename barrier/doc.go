// Package barrier holds processes up until all may go on.
//
// A Barrier is one node: while it is there, whoever waits is held up, and when it
// goes, all go on. It is the barrier of the ZooKeeper recipes, of Apache Curator's
// DistributedBarrier and of Kazoo's Barrier.
//
// A Double brings a number of members together: Enter returns when that many have
// come, and Leave when all of these have gone. It is the double barrier of the
// ZooKeeper recipes with the nodes of Curator's DistributedDoubleBarrier and
// Kazoo's DoubleBarrier, but not with their way to begin. There, whoever counts
// enough members creates the node ready, and whoever sees it goes on; so a member
// that has given up, or died a while ago, still counts for those who have seen it,
// and a ready that a crash has left lets anybody through. Here a round begins with
// one transaction. It makes sure that exactly these members are still there,
// writes down who they are, in the data of the barrier's path, and creates ready.
// Whoever is written down is in the round, and nobody else; a member that gives up
// leaves in a transaction that makes sure that it is not written down. So all who
// are asked agree on who takes part.
package barrier
