package zktest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	client "github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

func TestOpenEmbedded(t *testing.T) {
	t.Setenv("ZKTEST", "")
	target := Open(t)
	if target.Kind != Embedded || target.Server == nil || target.Cluster != nil {
		t.Fatalf("by default: %+v", target)
	}
	testTarget(t, target)
	if other := Open(t); other.Server == target.Server || other.Root() == target.Root() {
		t.Error("two targets share a server or a root")
	}
}

func TestOpenExternal(t *testing.T) {
	s := New(t)
	// No server listens at the first address, so the second one is used.
	t.Setenv("ZKTEST", "127.0.0.1:1,"+s.Addr())
	t.Run("with/odd names", func(t *testing.T) {
		target := Open(t)
		if target.Kind != External || target.Server != nil || target.Cluster != nil {
			t.Fatalf("with addresses: %+v", target)
		}
		if !strings.HasPrefix(target.Root(), "/zktest-TestOpenExternal-with-odd_names-") {
			t.Errorf("root %s", target.Root())
		}
		target.hosts = s.Addr()
		testTarget(t, target)
	})
	if tree := s.Tree(); tree != "" {
		t.Errorf("left after the test:\n%s", tree)
	}
}

// testTarget uses a target as tests of recipes do. It does not delete its nodes.
func testTarget(t *testing.T, target *Target) {
	t.Helper()
	if target.Connect() != target.Hosts()+target.Root() {
		t.Errorf("Connect %q, Hosts %q, Root %q", target.Connect(), target.Hosts(), target.Root())
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	host, _, _ := strings.Cut(target.Hosts(), ",")
	c, err := dialRaw(ctx, host, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	for path, flags := range map[string]int32{"/a": 0, "/b": wire.FlagEphemeral, "/c": wire.FlagContainer} {
		op := wire.OpCreate2
		if flags == wire.FlagContainer {
			op = wire.OpCreateContainer
		}
		req := &wire.CreateRequest{Path: target.Root() + path, ACL: ztree.OpenACL, Flags: flags}
		if _, err := c.call(op, req, &wire.CreateResponse{}); err != nil {
			t.Fatalf("create %s: %v", path, err)
		}
	}
	if n := target.Ephemerals(t); n != 1 {
		t.Errorf("%d ephemeral nodes, not 1", n)
	}
	if err := c.create(target.Root() + "/a/below"); err != nil {
		t.Fatal(err)
	}
	if target.Kind != External {
		testTargetWatches(t, target, c)
	}
	if err := c.close(); err != nil {
		t.Error(err)
	}
	if n := target.Ephemerals(t); n != 0 {
		t.Errorf("%d ephemeral nodes after the session's end", n)
	}
}

func testTargetWatches(t *testing.T, target *Target, c *rawClient) {
	t.Helper()
	if n := target.Watches(t); n != 0 {
		t.Errorf("%d watches before any was set", n)
	}
	// The second one is not below the root and does not count.
	for _, path := range []string{target.Root() + "/a", "/zookeeper"} {
		if _, err := c.call(wire.OpGetData, &wire.PathWatch{Path: path, Watch: true}, &wire.GetDataResponse{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := target.Watches(t); n != 1 {
		t.Errorf("%d watches, not 1", n)
	}
}

func TestCountWatches(t *testing.T) {
	const answer = "/r\n\t0x1\n\t0x2\n/rest\n\t0x3\n/r/a\n\t0x1\n\n"
	if n := countWatches(answer, "/r"); n != 3 {
		t.Errorf("%d watches, not 3", n)
	}
}

// Nodes that must not be read are deleted too, unless they have children.
func TestRemoveTree(t *testing.T) {
	s := New(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := s.Session(t)
	create := func(path string, perms client.Perm) {
		acl := client.ACL{Perms: perms, Scheme: "world", ID: "anyone"}
		if _, _, err := c.Create(ctx, path, nil, client.ACLs(acl)); err != nil {
			t.Fatal(err)
		}
	}
	create("/fixed", client.PermRead|client.PermCreate)
	create("/fixed/x", client.PermAll)
	if err := removeTree(ctx, c, "/fixed"); !errors.Is(err, client.ErrNoAuth) {
		t.Errorf("deleted a permanent node: %v", err)
	}
	create("/other", client.PermAll)
	create("/other/hidden", client.PermCreate)
	if err := removeTree(ctx, c, "/other"); err != nil {
		t.Error(err)
	}
	create("/other", client.PermAll)
	create("/other/hidden", client.PermCreate)
	create("/other/hidden/x", client.PermAll)
	if err := removeTree(ctx, c, "/other"); !errors.Is(err, client.ErrNoAuth) {
		t.Errorf("deleted nodes that cannot be read: %v", err)
	}
	create("/many", client.PermAll)
	for i := range 500 {
		create(fmt.Sprintf("/many/%d", i), client.PermAll)
		create(fmt.Sprintf("/many/%d/x", i), client.PermAll)
	}
	if err := removeTree(ctx, c, "/many"); err != nil || strings.Contains(s.Tree(), "/many") {
		t.Errorf("%v, and there is\n%s", err, s.Tree())
	}
}

// On a lagging ensemble a session does not read what another one has just written, unless
// it syncs.
func TestOpenLagging(t *testing.T) {
	t.Setenv("ZKTEST", "lagging")
	target := Open(t)
	target.lag = time.Hour // longer than the test
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	a, b := target.Session(t), target.Session(t)
	for _, path := range []string{"/a", "/b"} {
		if _, _, err := a.Create(ctx, path, nil); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := b.Exists(ctx, path); ok || err != nil {
			t.Errorf("%s before a sync: %v %v", path, ok, err)
		}
		if err := b.Sync(ctx, path); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := b.Exists(ctx, path); !ok || err != nil {
			t.Errorf("%s after a sync: %v %v", path, ok, err)
		}
		a, b = b, a
	}
}
