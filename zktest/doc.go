// Package zktest provides ZooKeeper servers for tests: an in-process [Server], and a
// [Cluster] of real servers as child processes.
//
// Use a [Server] to test code that talks to ZooKeeper, with any client. It needs no Java,
// no Docker and no network, starts in microseconds, and can produce faults that a real
// server produces only by chance. Use a [Cluster] to test elections and the failure of
// servers, and [Open] for tests that should run on either.
//
// # Starting a server
//
// A test with any ZooKeeper client for Go connects to the server's address:
//
//	func TestLeader(t *testing.T) {
//		s := zktest.New(t)
//		conn, _, err := zk.Connect([]string{s.Addr()}, 10*time.Second)
//		...
//	}
//
// A test with this library connects in memory:
//
//	s := zktest.New(t)
//	sess := s.Session(t)
//	lease, err := lock.New(sess, "/locks/a").Lock(ctx)
//
// For programs in other languages there is a command:
//
//	$ zkr dev
//	listening on 127.0.0.1:2181
//
// # Compatibility
//
// A [Server] behaves like ZooKeeper 3.9, or with [WithVersion] like 3.8, as far as clients
// can observe: sequence numbers, Stat fields, zxids, error codes and their precedence, the
// order of events and replies, ACLs, quotas, and when sessions expire.
//
// In the table below, "same" means that this server and a real server of either version
// answer generated requests with the same bytes, except for times and random ids:
//
//	create, create2, createContainer, createTTL        same
//	delete, deleteContainer, setData, setACL, sync     same
//	exists, getData, getACL, getChildren(2)            same
//	getEphemerals, getAllChildrenNumber, whoAmI        same
//	multi, multiRead, check                            same
//	addWatch, removeWatches, checkWatches              same
//	setWatches, setWatches2                            same
//	createSession, closeSession, ping                  same
//	auth       digest, ip and super; other schemes are refused, as by
//	           a server on which they are not configured
//	sasl       answered as by a server without mechanisms
//	reconfig   refused, as by a server that does not allow it
//	ruok srvr stat conf cons dump wchs wchc wchp isro  same fields
//	mntr envi  the fields that monitoring reads, without those of Java
//
// docs/zktest.md lists the differences.
//
// # Faults
//
// A [Rule] selects requests by operation, path, session and count, and says what happens
// to them:
//
//	s.Inject(zktest.Rule{Op: "create", Path: "/locks/*", Nth: 1, Fault: zktest.DropReply})
//
// The faults are:
//
//   - [Refuse] loses the request, [DropReply] the reply, and [Cut] the connection after
//     the reply;
//   - [Hang] never answers, and [Corrupt] sends a reply that cannot be decoded;
//   - [ExpireBefore] and [ExpireAfter] expire the session;
//   - Rule.Delay delays the request.
//
// Use [Server.Fault] where a Rule is not enough: it calls a function for each request.
//
// Faults of sessions are [Server.Expire], [Server.Partition], [Server.PartitionAll] and
// [Server.Isolate], which makes a connection behave as if its server were cut off from the
// leader. A [Client] can be cut off whatever its session is. A [Follower] is a server that
// lags behind.
//
// Faults of the server are [Server.Stop], [Server.Restart], [Server.RestartEmpty],
// [Server.Pause], [Server.JumpClock], [Server.JumpZxid], [Server.JumpSequence],
// [Server.EndSequence] and [Server.EndSequenceInBursts].
//
// # Inspection
//
// [Server.Tree], [Server.Watches] and [Server.Sessions] return the server's state, and
// [Server.Requests] the requests that it has received. [Server.Leaks] reports what a test
// has left open.
//
// # Virtual time
//
// A server can run in a testing/synctest bubble. If the server and its clients are started
// in the bubble and connected with [Server.DialContext] or [Server.Session], an hour of
// partition takes a moment:
//
//	synctest.Test(t, func(t *testing.T) {
//		s := zktest.New(t)
//		heal := s.Partition(id)
//		time.Sleep(time.Hour)
//		heal()
//	})
package zktest
