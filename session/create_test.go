package session_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Each kind of node is created on the server as its options say.
func TestCreateKinds(t *testing.T) {
	tests := []struct {
		name string
		opts []session.CreateOption
		path string
		want string
	}{
		{"persistent", nil, "/n", `v0 "data"`},
		{"ephemeral", []session.CreateOption{session.Ephemeral()}, "/n", `ephemeral v0 "data"`},
		{"sequential", []session.CreateOption{session.Sequential()}, "/n0000000000", `v0 "data"`},
		{"ephemeral sequential", []session.CreateOption{session.Ephemeral(), session.Sequential()}, "/n0000000000", `ephemeral v0 "data"`},
		{"container", []session.CreateOption{session.Container()}, "/n", `container v0 "data"`},
		{"time to live", []session.CreateOption{session.TTL(time.Hour)}, "/n", `ttl=3600000 v0 "data"`},
		{"sequential with time to live", []session.CreateOption{session.TTL(time.Hour), session.Sequential()}, "/n0000000000", `ttl=3600000 v0 "data"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t)
				z := open(t, s)
				path, st, err := z.Create(t.Context(), "/n", []byte("data"), tt.opts...)
				if err != nil || path != tt.path {
					t.Fatalf("%q, %v", path, err)
				}
				if diff := cmp.Diff(map[string]string{tt.path: tt.want}, tree(s)); diff != "" {
					t.Errorf("tree (-want +got):\n%s", diff)
				}
				now, exists, err := z.Exists(t.Context(), path)
				if err != nil || !exists || now != st {
					t.Errorf("the create says %+v, and the tree %+v, %v, %v", st, now, exists, err)
				}
				if st.Czxid == 0 || st.DataLength != 4 || time.Since(st.Ctime) > time.Second {
					t.Errorf("%+v", st)
				}
				if ephemeral := strings.HasPrefix(tt.name, "ephemeral"); st.Ephemeral() != ephemeral || ephemeral && st.EphemeralOwner != z.Status().ID {
					t.Errorf("the owner is 0x%x", st.EphemeralOwner)
				}
			})
		})
	}
}

// Refusals of the server are returned immediately, as the errors of the package.
func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		ctx := t.Context()
		testkit.Create(t, z, "/n", "data")
		testkit.Create(t, z, "/n/child", "")
		if _, _, err := z.Create(ctx, "/e", nil, session.Ephemeral()); err != nil {
			t.Fatal(err)
		}
		second := func(_ any, err error) error { return err }
		third := func(_, _ any, err error) error { return err }
		tests := []struct {
			err  error
			want error
			text string
		}{
			{third(z.Create(ctx, "/n", nil)), session.ErrNodeExists, "session: create /n: node already exists"},
			{third(z.Create(ctx, "/n", nil, session.Ephemeral())), session.ErrNodeExists, "session: create /n: node already exists"},
			{third(z.Create(ctx, "/x/y", nil)), session.ErrNoNode, "session: create /x/y: no such node"},
			{third(z.Create(ctx, "/e/y", nil, session.Parents())), session.ErrNoChildrenForEphemerals, "session: create /e/y: ephemeral nodes may not have children"},
			{third(z.Create(ctx, "/e/x/y", nil, session.Parents())), session.ErrNoChildrenForEphemerals, "session: create /e/x: ephemeral nodes may not have children"},
			{second(z.Set(ctx, "/n", nil, 7)), session.ErrBadVersion, "session: set /n: bad version"},
			{second(z.Set(ctx, "/x", nil, 0)), session.ErrNoNode, "session: set /x: no such node"},
			{z.Delete(ctx, "/n", session.AnyVersion), session.ErrNotEmpty, "session: delete /n: node has children"},
			{z.Delete(ctx, "/n/child", 3), session.ErrBadVersion, "session: delete /n/child: bad version"},
			{third(z.Get(ctx, "/x")), session.ErrNoNode, "session: get /x: no such node"},
			{third(z.Children(ctx, "/x")), session.ErrNoNode, "session: list /x: no such node"},
			{second(z.Txn(ctx, session.OpCheck("/n", 5))), session.ErrBadVersion, "session: check /n: bad version"},
			{
				second(z.Txn(ctx, session.OpSet("/n", nil, 0), session.OpDelete("/x", 0), session.OpCreate("/y", nil))),
				session.ErrNoNode, "session: delete /x: no such node",
			},
		}
		for _, tt := range tests {
			testkit.WantError(t, tt.err, tt.want)
			if tt.err != nil && tt.err.Error() != tt.text {
				t.Errorf("error is %q, want %q", tt.err, tt.text)
			}
		}
		if versionOf("/n")(s) != 0 {
			t.Error("a transaction that failed has changed something")
		}
		if _, exists, err := z.Exists(ctx, "/x"); exists || err != nil {
			t.Errorf("%v, %v", exists, err)
		}
		if n := count(s, "connect"); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

// After a lost reply a node is not confused with nodes of similar names, also if the
// parent is the root.
func TestUniqueAmongForeignNames(t *testing.T) {
	for _, parent := range []string{"/", "/line"} {
		synctest.Test(t, func(t *testing.T) {
			s := serve(t)
			z := open(t, s)
			if parent != "/" {
				testkit.Create(t, z, parent, "")
			}
			for _, name := range []string{"_c_", "_c_x", "x", "_c_0f8f1a52", "_c_" + session.GUID() + "-lock-0000000001"} {
				testkit.Create(t, z, session.Join(parent, name), "")
			}
			path := session.Join(parent, "_c_"+guid+"-lock-")
			_, remove := schedule(s, 1, zktest.DropReply, 0, zktest.Pass)
			got, st, err := z.Create(t.Context(), path, nil, session.Ephemeral(), session.Sequential(), session.Unique())
			remove()
			if err != nil || !strings.HasPrefix(got, path) || st.EphemeralOwner != z.Status().ID || below(s, path) != 1 {
				t.Errorf("%q, %+v, %v", got, st, err)
			}
		})
	}
}

// After a lost reply a sequential node is not confused with nodes of similar names or with
// nodes of other sessions.
func TestSequentialEphemeralAmongLookalikes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z, other := open(t, s), open(t, s)
		testkit.Create(t, z, "/p", "")
		loseReply(t, s, z, "create2", func() {
			for _, path := range []string{"/p/n-", "/p/n-x-", "/p/n--"} {
				if _, _, err := other.Create(t.Context(), path, nil, session.Ephemeral(), session.Sequential()); err != nil {
					t.Error(err)
				}
			}
		})
		path, st, err := z.Create(testkit.Within(t, time.Minute), "/p/n-", nil, session.Ephemeral(), session.Sequential())
		if err != nil || path != "/p/n-0000000000" || st.EphemeralOwner != z.Status().ID {
			t.Errorf("%q, %+v, %v", path, st, err)
		}
	})
}

// A create that waits for a connection belongs to its epoch: it is not sent under the next
// ZooKeeper session.
func TestWaitingCreateBelongsToItsEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		e := epoch(t, z)
		s.Stop()
		<-e.Suspended()
		failed := make(chan error)
		go func() {
			_, _, err := e.Create(t.Context(), "/n", nil, session.Ephemeral())
			failed <- err
		}()
		synctest.Wait()
		s.Expire(e.ID())
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		testkit.WantError(t, <-failed, session.ErrExpired)
		epoch(t, z)
		time.Sleep(timeout)
		if below(s, "/n") != 0 {
			t.Errorf("tree:\n%s", s.Tree())
		}
	})
}

// Every call ends with its context while there is no server.
func TestCallsEndWhileDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		e := epoch(t, z)
		s.Stop()
		<-e.Suspended()
		calls := map[string]func(context.Context) error{
			"get":    func(ctx context.Context) error { _, _, err := z.Get(ctx, "/n"); return err },
			"exists": func(ctx context.Context) error { _, _, err := z.Exists(ctx, "/n"); return err },
			"list":   func(ctx context.Context) error { _, _, err := z.Children(ctx, "/n"); return err },
			"sync":   func(ctx context.Context) error { return z.Sync(ctx, "/n") },
			"set":    func(ctx context.Context) error { _, err := z.Set(ctx, "/n", nil, 0); return err },
			"delete": func(ctx context.Context) error { return z.Delete(ctx, "/n", 0) },
			"create": func(ctx context.Context) error { _, _, err := z.Create(ctx, "/n", nil); return err },
			"ephemeral": func(ctx context.Context) error {
				_, _, err := z.Create(ctx, "/n", nil, session.Ephemeral())
				return err
			},
			"watch": func(ctx context.Context) error { _, _, _, err := e.WatchExists(ctx, "/n"); return err },
			"epoch": func(ctx context.Context) error { _, err := z.Epoch(ctx); return err },
		}
		for name, call := range calls {
			began := time.Now()
			testkit.WantError(t, call(testkit.Within(t, 100*time.Millisecond)), context.DeadlineExceeded)
			if took := time.Since(began); took != 100*time.Millisecond {
				t.Errorf("%s took %v", name, took)
			}
		}
		if err := s.Restart(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * timeout)
		s.Stop()
		if len(tree(s)) != 0 || len(s.Watches()) != 0 {
			t.Errorf("left:\n%s%v", s.Tree(), s.Watches())
		}
	})
}

// Parents are containers if the server knows containers, and otherwise persistent.
func TestParentsOfOldServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		f := newFake(t, func(_ int, c *fakeConn) {
			c.hello()
			c.welcome(7, 4000)
			parents := false
			for {
				h, body, ok := c.request()
				if !ok {
					return
				}
				var r wire.CreateRequest
				wire.Unmarshal(body, &r)
				got = append(got, h.Op.String()+" "+r.Path)
				switch {
				case h.Op == wire.OpCreateContainer:
					c.reply(h.Xid, wire.CodeUnimplemented, nil)
				case h.Op == wire.OpCreate:
					parents = true
					c.reply(h.Xid, wire.OK, &wire.Path{Path: r.Path})
				case h.Op == wire.OpCreate2 && parents:
					c.reply(h.Xid, wire.OK, &wire.CreateResponse{Path: r.Path})
				case h.Op == wire.OpCreate2:
					c.reply(h.Xid, wire.CodeNoNode, nil)
				default:
					c.reply(h.Xid, wire.OK, nil)
				}
			}
		})
		z := openAt(t, "zk", session.WithDialer(f.DialContext))
		if _, _, err := z.Create(t.Context(), "/a/b", nil, session.Parents()); err != nil {
			t.Fatal(err)
		}
		want := []string{"create2 /a/b", "createContainer /a", "create /a", "create2 /a/b"}
		synctest.Wait()
		if !cmp.Equal(got, want) {
			t.Errorf("%q", got)
		}
	})
}

func TestReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		e := epoch(t, z)
		for _, path := range []string{"/p", "/p/a", "/p/b"} {
			testkit.Create(t, z, path, path)
		}
		names, st, err := z.Children(t.Context(), "/p")
		slices.Sort(names)
		if err != nil || !cmp.Equal(names, []string{"a", "b"}) || st.NumChildren != 2 {
			t.Errorf("%q, %+v, %v", names, st, err)
		}
		if names, err = e.Children(t.Context(), "/p"); err != nil || len(names) != 2 {
			t.Errorf("%q, %v", names, err)
		}
		s.ResetRequests()
		nodes, err := e.Nodes(t.Context(), "/p/b", "/p/x", "/p/a")
		if err != nil || string(nodes[0].Data) != "/p/b" || string(nodes[2].Data) != "/p/a" || nodes[1].Watch != nil {
			t.Errorf("%+v, %v", nodes, err)
		}
		testkit.WantError(t, nodes[1].Err, session.ErrNoNode)
		if len(s.Requests()) != 3 {
			t.Errorf("%v", s.Requests())
		}
	})
}

// Reads are repeated until they are answered, whatever faults the connections have.
func TestReadsUnderEveryFault(t *testing.T) {
	for name, one := range faults {
		for otherName, other := range faults {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t)
				z := open(t, s)
				testkit.Create(t, z, "/n", "data")
				schedule(s, 1, one, 2, other)
				ctx := testkit.Within(t, time.Hour)
				if data, _, err := z.Get(ctx, "/n"); err != nil || string(data) != "data" {
					t.Errorf("%s, %s: %q, %v", name, otherName, data, err)
				}
				if _, ok, err := z.Exists(ctx, "/n"); err != nil || !ok {
					t.Errorf("%s, %s: %v, %v", name, otherName, ok, err)
				}
				if err := z.Sync(ctx, "/n"); err != nil {
					t.Errorf("%s, %s: %v", name, otherName, err)
				}
			})
		}
	}
}

func TestGUID(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		g := session.GUID()
		if len(g) != 36 || g[14] != '8' || !session.IsGUID(g) || !session.IsGUID(strings.ReplaceAll(g, "-", "")) || !strings.ContainsRune("89ab", rune(g[19])) || seen[g] {
			t.Fatalf("GUID %q", g)
		}
		seen[g] = true
	}
}

// CreateAncestors creates the ancestors only.
func TestCreateAncestors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		testkit.Create(t, z, "/a", "kept")
		for range 2 {
			if err := z.CreateAncestors(t.Context(), "/a/b/c/node"); err != nil {
				t.Fatal(err)
			}
		}
		want := map[string]string{"/a": `v0 "kept"`, "/a/b": `container v0 ""`, "/a/b/c": `container v0 ""`}
		if diff := cmp.Diff(want, tree(s)); diff != "" {
			t.Errorf("tree (-want +got):\n%s", diff)
		}
		testkit.WantError(t, z.CreateAncestors(t.Context(), "/a//b"), session.ErrInvalid)
		if err := z.CreateAncestors(t.Context(), "/node"); err != nil {
			t.Errorf("of a node at the root: %v", err)
		}
	})
}

// A transaction of one create lists the siblings as well. If its caller does not wait for
// the list, the error is ErrUnknown, and the node is not deleted.
func TestSiblingsInTransaction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z := open(t, s)
		testkit.Create(t, z, "/a", "")
		testkit.Create(t, z, "/a/b", "")
		var names []string
		op := session.OpCreate("/a/c", nil, session.Ephemeral(), session.Unique(), session.Siblings(&names))
		if _, err := epoch(t, z).Txn(t.Context(), op); err != nil {
			t.Fatal(err)
		}
		slices.Sort(names)
		if !slices.Equal(names, []string{"b", "c"}) {
			t.Errorf("siblings %v", names)
		}
		s.Inject(zktest.Rule{Op: "getChildren2", Nth: 1, Fault: zktest.Refuse})
		s.Inject(zktest.Rule{Op: "getChildren2", Fault: zktest.Hang})
		op = session.OpCreate("/a/d", nil, session.Ephemeral(), session.Unique(), session.Siblings(&names))
		_, err := epoch(t, z).Txn(testkit.Within(t, 2*time.Second), op)
		testkit.WantError(t, err, session.ErrUnknown)
		testkit.WantError(t, err, context.DeadlineExceeded)
		time.Sleep(time.Minute)
		if n := count(s, "delete"); n != 0 {
			t.Errorf("%d deletes", n)
		}
	})
}

// An ancestor that another client deletes before the next one is created is created again.
func TestAncestorIsDeletedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := serve(t)
		z, other := open(t, s), open(t, s)
		s.Inject(zktest.Rule{Path: "/a/b", Session: z.Status().ID, Nth: 1, Delay: time.Second})
		time.AfterFunc(500*time.Millisecond, func() {
			if err := other.Delete(t.Context(), "/a", session.AnyVersion); err != nil {
				t.Error(err)
			}
		})
		if _, _, err := z.Create(t.Context(), "/a/b/c", nil, session.Parents()); err != nil {
			t.Error(err)
		}
		if got := tree(s)["/a/b/c"]; got == "" {
			t.Errorf("there is\n%s", s.Tree())
		}
	})
}
