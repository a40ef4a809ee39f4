// Package zktest is a ZooKeeper server for tests: what net/http/httptest is to
// web servers. It needs no Java, no Docker and no network, starts in
// microseconds, and speaks the wire protocol, so that any client can talk to
// it. It also runs ensembles of real servers; see [Ensemble].
//
// # Three ways to use it
//
// Your own code, with any ZooKeeper client for Go. Only the address is another:
//
//	func TestLeader(t *testing.T) {
//		s := zktest.New(t)
//		conn, _, err := zk.Connect([]string{s.Addr()}, 10*time.Second)
//		...
//	}
//
// This library, connected in memory:
//
//	s := zktest.New(t)
//	sess := s.Session(t)
//	lease, err := lock.New(sess, "/locks/a").Lock(ctx)
//
// Any language, with the command:
//
//	$ zkr dev
//	listening on 127.0.0.1:2181
//
// # What it does
//
// A [Server] does what ZooKeeper 3.9, or with [WithVersion] 3.8, does as far as
// a client can observe it: sequence numbers, Stat fields, transaction ids, error
// codes and their precedence, the order of events and replies, ACLs, quotas, and
// when sessions expire. "Same" means that generated operations are answered by a
// real server of either version and by this one in the same bytes, clocks and
// random ids aside:
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
// docs/zktest.md lists what is different after all.
//
// # Faults
//
// A server does what no real one does at one's bidding. A [Rule] befalls requests,
// chosen by operation, path, session and count:
//
//	s.Inject(zktest.Rule{Op: "create", Path: "/locks/*", Nth: 1, Fault: zktest.DropReply})
//
// [DropReply] loses the reply to what has been applied, [Refuse] the request
// itself; [Hang] never answers, [Cut] answers and breaks the connection, [Corrupt]
// answers nonsense, [ExpireBefore] and [ExpireAfter] end the session, and a Delay
// makes wait. [Server.Fault] takes a function where a Rule does not say enough.
//
// A [Follower] is a server that lags behind. A [Client] can be cut off whatever
// session it has.
//
// What befalls sessions: [Server.Partition], [Server.PartitionAll],
// [Server.Isolate], which plays a follower that is cut off from its leader, and
// [Server.Expire]. What befalls servers: [Server.Stop], [Server.Restart],
// [Server.RestartEmpty], [Server.Pause], [Server.JumpClock], [Server.JumpZxid],
// [Server.JumpSequence], [Server.EndSequence] and [Server.EndSequenceInBursts].
//
// [Server.Tree], [Server.Watches], [Server.Sessions], [Server.Requests] and
// [Server.Leaks] show what the server holds and has heard.
//
// # Time
//
// A server uses package time plainly and waits only in ways that
// testing/synctest can see. A test that starts its server and its clients within
// a bubble, and connects them with DialContext, runs an hour of partition in a
// moment:
//
//	synctest.Test(t, func(t *testing.T) {
//		s := zktest.New(t)
//		heal := s.Partition(id)
//		time.Sleep(time.Hour)
//		heal()
//	})
package zktest
