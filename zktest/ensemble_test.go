//go:build ensemble

package zktest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/wire"
)

// within returns a context for the steps of a test that take real servers
// seconds.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// eventually polls until ok, and fails the test when that takes too long.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx := within(t, time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("never happened: %s", what)
		}
	}
}

func dial(t *testing.T, addr string) *rawClient {
	t.Helper()
	c, err := dialRaw(within(t, time.Minute), addr, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.abandon)
	return c
}

func create(t *testing.T, c *rawClient, path, data string, flags int32) {
	t.Helper()
	req := &wire.CreateRequest{Path: path, Data: []byte(data), ACL: openACL, Flags: flags}
	if _, err := c.call(wire.OpCreate, req, &wire.Path{}); err != nil {
		t.Fatalf("create %s: %v", path, err)
	}
}

func get(t *testing.T, c *rawClient, path string) string {
	t.Helper()
	if _, err := c.call(wire.OpSync, &wire.Path{Path: path}, &wire.Path{}); err != nil {
		t.Fatalf("sync %s: %v", path, err)
	}
	var resp wire.GetDataResponse
	if _, err := c.call(wire.OpGetData, &wire.PathWatch{Path: path}, &resp); err != nil {
		t.Fatalf("get %s: %v", path, err)
	}
	return string(resp.Data)
}

func followers(c *Cluster) (f []*Node) {
	leader := c.Leader()
	for _, n := range c.Servers() {
		if n != leader {
			f = append(f, n)
		}
	}
	return f
}

func TestEnsembleReplicates(t *testing.T) {
	begin := time.Now()
	c := Ensemble(t, 3)
	t.Logf("started in %v", time.Since(begin))
	if c.Leader() == nil {
		t.Fatal("no leader")
	}
	create(t, dial(t, c.Server(0).Addr()), "/a", "written at 1", 0)
	if got := get(t, dial(t, c.Server(2).Addr()), "/a"); got != "written at 1" {
		t.Errorf("server 3 has %q", got)
	}
}

func TestEnsembleLosesItsLeader(t *testing.T) {
	c := Ensemble(t, 3)
	old := c.Leader()
	create(t, dial(t, old.Addr()), "/a", "kept", 0)
	old.Kill()
	eventually(t, "a new leader", func() bool { l := c.Leader(); return l != nil && l != old })
	if got := get(t, dial(t, c.Leader().Addr()), "/a"); got != "kept" {
		t.Errorf("the new leader has %q", got)
	}
	if err := old.Start(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	if mode, err := old.Mode(t.Context()); mode != "follower" {
		t.Errorf("the old leader came back as %q, %v", mode, err)
	}
}

func TestEnsembleRestarts(t *testing.T) {
	c := Ensemble(t, 3)
	create(t, dial(t, c.Server(0).Addr()), "/a", "kept", 0)
	c.Stop()
	if err := c.Start(within(t, time.Minute)); err != nil {
		t.Fatal(err)
	}
	if got := get(t, dial(t, c.Server(1).Addr()), "/a"); got != "kept" {
		t.Errorf("after the restart: %q", got)
	}
}

func TestEnsemblePausesAServer(t *testing.T) {
	c := Ensemble(t, 3)
	leader := c.Leader()
	if err := leader.Pause(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a new leader", func() bool { l := c.Leader(); return l != nil && l != leader })
	if err := leader.Resume(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the old leader follows", func() bool {
		mode, _ := leader.Mode(t.Context())
		return mode == "follower"
	})
}

func TestEnsembleCutsClients(t *testing.T) {
	c := Ensemble(t, 3)
	n := c.Server(0)
	client := dial(t, n.Addr())
	heal := n.CutClients()
	if err := client.send(1, wire.OpSync, &wire.Path{Path: "/"}); err != nil {
		t.Fatal(err)
	}
	client.conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if _, _, err := client.receive(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("an answer out of a black hole: %v", err)
	}
	if mode, err := n.Mode(t.Context()); err != nil {
		t.Errorf("the server is %q, %v", mode, err)
	}
	heal()
	client.conn.SetReadDeadline(time.Time{})
	if _, _, err := client.receive(); err == nil {
		t.Error("a connection outlived the cut")
	}
	get(t, dial(t, n.Addr()), "/zookeeper/config")
}

func TestEnsembleCutsPeers(t *testing.T) {
	for _, who := range []string{"leader", "follower"} {
		for _, how := range []string{"cut", "reject"} {
			t.Run(how+" the "+who, func(t *testing.T) { testCutPeers(t, who, how) })
		}
	}
}

func testCutPeers(t *testing.T, who, how string) {
	c := Ensemble(t, 3, WithSyncLimit(4))
	cut, other := c.Leader(), followers(c)[0]
	if who == "follower" {
		cut, other = other, cut
	}
	isolate := cut.CutPeers
	if how == "reject" {
		isolate = cut.RejectPeers
	}
	heal := isolate()
	eventually(t, "the server stops serving", func() bool { return !cut.serves(t.Context()) })
	eventually(t, "the others have a leader", func() bool { l := c.Leader(); return l != nil && l != cut })
	eventually(t, "the other serves under it", func() bool { return other.serves(t.Context()) })
	create(t, dial(t, other.Addr()), "/a", "missed", 0)
	heal()
	eventually(t, "the server serves again", func() bool { return cut.serves(t.Context()) })
	if got := get(t, dial(t, cut.Addr()), "/a"); got != "missed" {
		t.Errorf("after the cut: %q", got)
	}
}

func TestEnsembleLeavesNothing(t *testing.T) {
	c, err := StartEnsemble(within(t, startTimeout), 3)
	if err != nil {
		t.Fatal(err)
	}
	dir := c.temp.path
	var procs []*process
	for _, n := range c.Servers() {
		procs = append(procs, n.running())
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for _, p := range procs {
		if p.alive() {
			t.Errorf("process %d lives", p.cmd.Process.Pid)
		}
	}
	if exists(dir) {
		t.Errorf("%s is left", dir)
	}
	if err := c.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestEnsembleKeepsAChosenFolder(t *testing.T) {
	dir := t.TempDir()
	c := Ensemble(t, 1, WithDir(dir))
	create(t, dial(t, c.Connect()), "/a", "kept", 0)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if !exists(filepath.Join(dir, "1", "zoo.cfg")) {
		t.Fatal("the folder is gone")
	}
	c = Ensemble(t, 1, WithDir(dir))
	if c.Leader() != c.Server(0) {
		t.Error("a single server does not lead")
	}
	if got := get(t, dial(t, c.Connect()), "/a"); got != "kept" {
		t.Errorf("the next ensemble has %q", got)
	}
}

func TestEnsembleSaysWhatIsMissing(t *testing.T) {
	_, err := StartEnsemble(t.Context(), 1, WithHome(t.TempDir()))
	if missing := (*MissingError)(nil); !errors.As(err, &missing) || missing.What != "ZooKeeper" {
		t.Errorf("without ZooKeeper: %v", err)
	}
	t.Setenv("PATH", "")
	t.Setenv("JAVA_HOME", "")
	_, err = StartEnsemble(t.Context(), 1)
	if missing := (*MissingError)(nil); !errors.As(err, &missing) || missing.What != "Java" {
		t.Errorf("without Java: %v", err)
	}
}
