// Package membership provides groups whose members come and go: each process joins
// under an id with some data, such as its address, and every process can read who is a
// member.
//
// Use it to know which processes are alive. A view may be out of date: it is not a
// lock, and two processes may see different members. Use package election to choose a
// leader.
//
// # Usage
//
//	g := membership.New(s, "/app/workers")
//	m, err := g.Join(ctx, "worker-1", []byte("10.0.0.1:8080"))
//	...
//	defer m.Leave(ctx)
//
//	for v, err := range g.Watch(ctx) {
//		...
//	}
//
// Members reads the members once. Watch yields complete views, so that a slow reader
// may skip old snapshots; Snapshot.Diff compares two snapshots.
//
// # Loss
//
// A member is an ephemeral node. It is announced again in every new ZooKeeper session,
// and not touched when the connection is interrupted, so that a reconnect is not seen
// as a departure. The node is deleted when the member leaves, when its process dies,
// and when it is disconnected for longer than its session timeout.
//
// # Cost
//
// Fast changes are read together: however much the group changes, a watcher reads the
// changes of a tenth of a second or more at a time, and on average less than 2,000
// names and members per second.
//
// Measured with a thousand processes, each with a separate session, a member and a
// watcher, together with the in-process server on two busy cores: all started at once,
// and all had seen all members after 11 s, which are a million reads. All had seen one
// change after 2.6 s, at one read each. When every member changed within a second, all
// had seen the last change after 50 s, until when a watcher made 20 reads per second.
// So the server and the cores set the pace, not the watchers.
//
//	go test -run '^$' -bench 'Group/^1000$' -benchtime 2x ./membership
//
// At 200 changes per second and 200 members, each of 50 watchers reads about 200 times
// per second (TestWatchersOfChangingGroup, in virtual time).
//
// # Layout
//
// The nodes are those of Apache Curator's GroupMember, or with WithLayout those of
// Kazoo's Party and ShallowParty, so that programs in Java and Python can join the
// same group. Kazoo does not announce a node again, Curator does not report who has
// joined or left, and neither reports to a process that it is no longer a member. This
// package does all three.
package membership
