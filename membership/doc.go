// Package membership is for groups whose members come and go: every process joins
// under an id and with some data, an address say, and everybody sees who is there.
//
// A member is an ephemeral node. It is announced again in every new ZooKeeper
// session, and not touched when a connection is interrupted, so that nobody sees a
// member go that has only been reconnected. It goes when it leaves, when its
// process dies, and when it is cut off for longer than its session timeout.
//
// Members reads who is there, once. Watch follows it: it yields complete views,
// never differences, so that a slow reader skips what has passed and misses
// nothing; View.Diff tells two views apart. Changes that come fast are taken
// together: however much the group changes, a watcher reads the changes of a tenth
// of a second or more at a time, and on average less than 2,000 names and members
// in a second.
//
// The nodes are those of Apache Curator's GroupMember, or by option those of
// Kazoo's Party and ShallowParty, so that programs in Java and Python are members
// of the same group. What these lack is here: a node that is announced again
// (Kazoo), a word of who has come or gone (Curator), and of being a member no
// longer (both).
//
// # Measured
//
// A thousand processes, each with a session of its own, a member, and a watcher,
// together with the in-process server on two busy cores. Started at once, all had
// seen all after 11 s, which are a million reads. One change was seen by all after
// 2.6 s, at one read each. When every member had changed within a second, all had
// seen the last change after 50 s, until when a watcher made 20 reads in a second.
// So it is the server and the cores that set the pace, not the watchers.
//
//	go test -run '^$' -bench 'Group/^1000$' -benchtime 2x ./membership
//
// At 200 changes in a second and 200 members, each of 50 watchers reads about 200
// times in a second (TestWatchersOfChangingGroup, in virtual time).
package membership
