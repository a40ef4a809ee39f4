// Package election elects one leader among many candidates.
//
// A won campaign is a value: Campaign returns a Term, which lasts until its
// Context is done. What package lock promises of a lease holds of a term: it ends
// before another candidate's can begin, by the session's own clock if need be;
// its Token rises from term to term; its Txn makes a transaction conditional on
// still leading. Run is what most programs want: it campaigns, calls a function
// for each term, and waits for it before it lets go.
//
// Candidates stand in the line of the ZooKeeper recipes for leader election, the
// first of which leads; the nodes are those of Apache Curator's LeaderLatch.
// WithFixedNode elects by one ephemeral node instead, as many programs do that use
// ZooKeeper without a library.
package election
