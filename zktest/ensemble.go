package zktest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/zktest/internal/datadir"
	"github.com/zkrecipes/zkrecipes/zktest/internal/javaproc"
)

// startTimeout bounds the start of an ensemble in a test. It takes a few seconds on an idle
// machine.
const startTimeout = 3 * time.Minute

// A Cluster is an ensemble of real ZooKeeper servers, each in a process on this machine.
// Use it to test what the in-process server cannot show: elections, and servers that are
// killed, paused or cut off.
//
// Each server has a proxy for its clients and one for each of its peers, so it can be
// cut off from either, unless [WithPorts] is set.
//
// The methods of a Cluster and of its nodes are safe for concurrent use.
type Cluster struct {
	opts      *ensembleOptions
	java      string
	classPath string
	folder    *datadir.Dir
	size      int
	nodes     []*Node
	links     []*peerLink
}

// Ensemble starts n real ZooKeeper servers and waits until all of them serve and one
// leads. When the test ends, it stops them and deletes their files. It fails the test if
// Java or ZooKeeper is not installed.
//
// If the test fails, the state and the last log lines of every server are logged.
func Ensemble(t testing.TB, n int, opts ...EnsembleOption) *Cluster {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	c, err := StartEnsemble(ctx, n, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.logIfFailed(t)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// logIfFailed logs the state and the last log lines of the servers if the test has failed.
func (c *Cluster) logIfFailed(t testing.TB) {
	if !t.Failed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaderTimeout)
	defer cancel()
	for i, s := range c.states(ctx) {
		n := c.nodes[i]
		t.Logf("server %d at %s, %s, zxid %#x, last log lines:\n%s", n.id, n.Addr(), cmp.Or(s.mode, "not serving"), s.zxid, tail(relevantLines(n.Log()), 40))
	}
}

// relevantLines returns a log without the lines that a server writes for every four-letter
// word and at every start.
func relevantLines(log string) string {
	var b strings.Builder
	for line := range strings.Lines(log) {
		if !strings.Contains(line, " command from ") && !strings.Contains(line, "RequestPathMetricsCollector") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// StartEnsemble is Ensemble for use outside of tests. The caller must close the Cluster.
// ctx bounds the start only. A single server runs in standalone mode.
//
// The error is a [*MissingError] if Java or ZooKeeper is not installed.
func StartEnsemble(ctx context.Context, n int, opts ...EnsembleOption) (*Cluster, error) {
	if n < 1 {
		return nil, fmt.Errorf("zktest: invalid number of servers: %d", n)
	}
	c := &Cluster{opts: newEnsembleOptions(opts), size: n}
	if err := c.prepare(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if err := c.Start(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// prepare does everything except starting the processes.
func (c *Cluster) prepare() (err error) {
	if c.java, err = javaproc.FindJava(); err != nil {
		return asMissing(err)
	}
	if c.classPath, err = javaproc.FindZooKeeper(c.opts.home); err != nil {
		return asMissing(err)
	}
	if c.opts.dir == "" {
		c.folder, err = datadir.Temp()
	} else {
		c.folder, err = datadir.Open(c.opts.dir)
	}
	if err != nil {
		return err
	}
	for id := 1; id <= c.size; id++ {
		node, err := newNode(c, id, filepath.Join(c.folder.Path(), strconv.Itoa(id)))
		if err != nil {
			return err
		}
		c.nodes = append(c.nodes, node)
	}
	if !c.opts.ports.fixed() {
		if err := c.connectPeers(); err != nil {
			return err
		}
	}
	for _, n := range c.nodes {
		if err := n.configure(); err != nil {
			return err
		}
	}
	return nil
}

// A MissingError is returned if real servers cannot run on this machine because Java or
// ZooKeeper is not installed.
type MissingError struct {
	What string // "Java" or "ZooKeeper"
	Help string // what to install
}

func (e *MissingError) Error() string { return "zktest: " + e.What + " not found: " + e.Help }

// asMissing returns err as an error of this package.
func asMissing(err error) error {
	if m := (*javaproc.MissingError)(nil); errors.As(err, &m) {
		return &MissingError{What: m.What, Help: m.Help}
	}
	return err
}

// Connect returns a connect string with all servers.
func (c *Cluster) Connect() string {
	var addrs []string
	for _, n := range c.nodes {
		addrs = append(addrs, n.Addr())
	}
	return strings.Join(addrs, ",")
}

// Servers returns the servers in the order of their ids.
func (c *Cluster) Servers() []*Node { return append([]*Node(nil), c.nodes...) }

// Server returns the server at index i, whose id is i+1.
func (c *Cluster) Server(i int) *Node { return c.nodes[i] }

// Start starts the servers that do not run, and waits until all servers serve.
func (c *Cluster) Start(ctx context.Context) error {
	for _, n := range c.nodes {
		if err := n.launch(); err != nil {
			return err
		}
	}
	for _, n := range c.nodes {
		if err := n.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Stop stops all servers and waits until they have ended. They keep their data, and Start
// starts them again.
func (c *Cluster) Stop() { c.each((*Node).Stop) }

// Close stops the servers and deletes their files, unless WithDir is set. A closed Cluster
// cannot be started again.
func (c *Cluster) Close() error {
	if c.opts.dir != "" {
		c.Stop()
	} else {
		c.each((*Node).Kill) // faster than Stop; the data is deleted anyway
	}
	var errs []error
	for _, n := range c.nodes {
		if n.proxy != nil {
			errs = append(errs, n.proxy.Close())
		}
	}
	for _, l := range c.links {
		errs = append(errs, l.close())
	}
	c.nodes, c.links = nil, nil
	if c.folder != nil {
		errs = append(errs, c.folder.Close())
		c.folder = nil
	}
	return errors.Join(errs...)
}

func (c *Cluster) each(f func(*Node)) {
	var all sync.WaitGroup
	for _, n := range c.nodes {
		all.Go(func() { f(n) })
	}
	all.Wait()
}

// tail returns the last n lines of s.
func tail(s string, n int) string {
	lines := strings.SplitAfter(s, "\n")
	return strings.Join(lines[max(0, len(lines)-n-1):], "")
}

func readFile(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
