//go:build ensemble

package zktest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest/internal/javaproc"
)

func TestEnsembleReplicates(t *testing.T) {
	begin := time.Now()
	c := Ensemble(t, 3)
	t.Logf("started in %v", time.Since(begin))
	leader, followers := roles(t, c)
	if leader == nil || len(followers) != 2 {
		t.Fatalf("%v leads %v", leader, followers)
	}
	put(t, c.Server(0), "/a", "written at 1")
	if got := get(t, c.Server(2), "/a"); got != "written at 1" {
		t.Errorf("server 3 has %q", got)
	}
}

func TestEnsembleLosesItsLeader(t *testing.T) {
	c := Ensemble(t, 3)
	old, _ := roles(t, c)
	put(t, old, "/a", "kept")
	old.Kill()
	if got := get(t, successor(t, c, old), "/a"); got != "kept" {
		t.Errorf("the new leader has %q", got)
	}
	if err := old.Start(within(t, testTimeout)); err != nil {
		t.Fatal(err)
	}
	roles(t, c)
}

func TestEnsembleRestarts(t *testing.T) {
	c := Ensemble(t, 3)
	put(t, c.Server(0), "/a", "kept")
	c.Stop()
	if err := c.Start(within(t, testTimeout)); err != nil {
		t.Fatal(err)
	}
	if got := get(t, c.Server(1), "/a"); got != "kept" {
		t.Errorf("after the restart: %q", got)
	}
}

func TestEnsemblePausesAServer(t *testing.T) {
	c := Ensemble(t, 3)
	leader, _ := roles(t, c)
	if err := leader.Pause(); err != nil {
		t.Fatal(err)
	}
	successor(t, c, leader)
	if err := leader.Resume(); err != nil {
		t.Fatal(err)
	}
	roles(t, c)
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
		t.Errorf("an answer during the cut: %v", err)
	}
	eventually(t, "the server serves", func() bool { return n.serves(within(t, testTimeout)) })
	heal()
	client.conn.SetReadDeadline(time.Now().Add(testTimeout))
	if _, _, err := client.receive(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a connection outlived the cut: %v", err)
	}
	get(t, n, "/zookeeper/config")
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
	leader, followers := roles(t, c)
	cut, other := leader, followers[0]
	if who == "follower" {
		cut, other = other, cut
	}
	isolate := cut.CutPeers
	if how == "reject" {
		isolate = cut.RejectPeers
	}
	heal := isolate()
	eventually(t, "the server stops serving", func() bool { return !cut.serves(within(t, testTimeout)) })
	successor(t, c, cut)
	put(t, other, "/a", "missed")
	heal()
	if got := get(t, cut, "/a"); got != "missed" {
		t.Errorf("after the cut: %q", got)
	}
}

func TestEnsembleLeavesNothing(t *testing.T) {
	c, err := StartEnsemble(within(t, startTimeout), 3)
	if err != nil {
		t.Fatal(err)
	}
	dir := c.folder.Path()
	var procs []*javaproc.Process
	for _, n := range c.Servers() {
		procs = append(procs, n.running())
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for i, p := range procs {
		if p.Alive() {
			t.Errorf("the process of server %d runs", i+1)
		}
	}
	if exists(dir) {
		t.Errorf("%s still exists", dir)
	}
	if err := c.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestEnsembleKeepsAChosenFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), `Zoo = übermäßig \ 😀`)
	c := Ensemble(t, 1, WithDir(dir))
	if _, err := StartEnsemble(t.Context(), 1, WithDir(dir)); err == nil || !strings.Contains(err.Error(), "other servers use") {
		t.Errorf("two ensembles use one folder: %v", err)
	}
	put(t, c.Server(0), "/a", "kept")
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if !exists(filepath.Join(dir, "1", "zoo.cfg")) {
		t.Fatal("the folder was deleted")
	}
	c = Ensemble(t, 1, WithDir(dir))
	if leader, followers := roles(t, c); leader != c.Server(0) || followers != nil {
		t.Error("a single server does not lead")
	}
	if got := get(t, c.Server(0), "/a"); got != "kept" {
		t.Errorf("the next ensemble has %q", got)
	}
}

// The configuration of each server is that of the pseudo-cluster in ZooKeeper's
// documentation.
func TestEnsembleOnPorts(t *testing.T) {
	var c *Cluster
	var err error
	base := 10000 + os.Getpid()%200*100
	dir := t.TempDir()
	for c == nil {
		base += 100 // other processes may use some of the ports
		ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
		c, err = StartEnsemble(ctx, 3, WithDir(dir), WithPorts(base, base+10, base+20))
		cancel()
		if err != nil && !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatal(err)
		}
	}
	defer c.Close()
	for i, n := range c.Servers() {
		if want := fmt.Sprint("127.0.0.1:", base+i); n.Addr() != want {
			t.Errorf("server %d is at %s, not at %s", n.ID(), n.Addr(), want)
		}
		conf := readFile(filepath.Join(dir, strconv.Itoa(n.ID()), "zoo.cfg"))
		want := fmt.Sprintf("server.1=127.0.0.1:%d:%d\nserver.2=127.0.0.1:%d:%d\nserver.3=127.0.0.1:%d:%d\n",
			base+10, base+20, base+11, base+21, base+12, base+22)
		if !strings.Contains(conf, want) || !strings.Contains(conf, fmt.Sprintf("\nclientPort=%d\n", base+i)) {
			t.Errorf("server %d has the configuration\n%s", n.ID(), conf)
		}
	}
	roles(t, c)
	put(t, c.Server(0), "/a", "written at 1")
	if got := get(t, c.Server(2), "/a"); got != "written at 1" {
		t.Errorf("server 3 has %q", got)
	}

	_, err = StartEnsemble(t.Context(), 1, WithPorts(base, 0, 0))
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second ensemble on the same port: %v", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a server without proxies was cut off")
			}
		}()
		c.Server(0).CutPeers()
	}()

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Server(0).Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a server that runs: %v", err)
	}
	c.Server(0).Kill()
	if err := c.Server(0).Wait(within(t, testTimeout)); err == nil || !strings.Contains(err.Error(), "has ended: signal: killed") {
		t.Errorf("a server that was killed: %v", err)
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

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
