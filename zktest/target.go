package zktest

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// The kinds of Target.
const (
	Embedded     = "embedded"
	RealEnsemble = "ensemble"
	External     = "external"
)

// targetTimeout bounds what a Target itself asks of its servers.
const targetTimeout = 2 * time.Minute

// A Target is what a test runs on. The environment variable ZKTEST chooses:
//
//   - embedded, or nothing: a new in-process server;
//   - lagging: a new in-process ensemble, on which every session has a [Follower]
//     of its own that is 20 ms late with the transactions of others: what another
//     session has just written is not there yet without a sync;
//   - oldkeeper: a new in-process server that refuses what WithOldKeeper says, by
//     replying with -8, so that the connections of a test do not break;
//   - ensemble: three real servers, which the tests of one process share;
//   - HOST:PORT, or several with commas: servers that are there already.
//
// Whatever it is, each test has a part of the tree to itself.
type Target struct {
	Kind    string   // Embedded, RealEnsemble or External
	Server  *Server  // if embedded or lagging, else nil
	Cluster *Cluster // if a real ensemble, else nil

	hosts string
	root  string
	lag   time.Duration // of the followers that sessions get; 0 if they get none
}

// lagging is the value of ZKTEST for an in-process ensemble whose servers lag.
const lagging = "lagging"

// oldKeeper is the value of ZKTEST for a server with the operations of an old Keeper.
const oldKeeper = "oldkeeper"

// followerLag is by how much they do: longer than a session of the same test takes
// to read what another one has written.
const followerLag = 20 * time.Millisecond

// Open returns the target for a test. It creates a node of the test's own to
// be the root of all that it does, and removes it, with what is left under it,
// when the test ends.
func Open(t testing.TB) *Target {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	target := &Target{root: "/zktest-" + nodeName(t.Name()) + "-" + strings.ToLower(rand.Text()[:8])}
	switch env := os.Getenv("ZKTEST"); env {
	case "", Embedded, lagging:
		target.Kind, target.Server = Embedded, New(t)
		target.hosts = target.Server.Addr()
		if env == lagging {
			target.lag = followerLag
		}
	case oldKeeper:
		target.Kind, target.Server = Embedded, New(t, WithRefused(RefuseBadArguments, notInOldKeeper...))
		target.hosts = target.Server.Addr()
	case RealEnsemble:
		c, err := sharedEnsemble(ctx)
		if err != nil {
			t.Fatal(err)
		}
		target.Kind, target.Cluster, target.hosts = RealEnsemble, c, c.Connect()
	default:
		target.Kind, target.hosts = External, env
	}
	if err := target.withSession(ctx, func(c *rawClient) error { return createNode(c, target.root) }); err != nil {
		t.Fatalf("zktest: %s (%s): %v", target.Kind, target.hosts, err)
	}
	t.Cleanup(func() {
		target.clean(t)
		if target.Cluster != nil {
			target.Cluster.logIfFailed(t)
		}
	})
	return target
}

// Connect returns a connect string with the test's own node as chroot.
func (t *Target) Connect() string { return t.Hosts() + t.root }

// Hosts returns the connect string without chroot. On a lagging ensemble every call
// returns another server.
func (t *Target) Hosts() string {
	if t.lag > 0 {
		f := t.Server.Follower(t.lag)
		f.setEager()
		return f.Addr()
	}
	return t.hosts
}

// Root returns the path of the test's own node.
func (t *Target) Root() string { return t.root }

// Ephemerals returns how many ephemeral nodes there are below the root.
func (t *Target) Ephemerals(tb testing.TB) int {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), targetTimeout)
	defer cancel()
	n := 0
	err := t.withSession(ctx, func(c *rawClient) (err error) {
		n, err = countEphemerals(c, t.root)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// oldKeeper reports whether the target is an old Keeper.
func (t *Target) oldKeeper() bool {
	return t.Server != nil && t.Server.opts.refused["removeWatches"] != 0
}

// Watches returns how many watches sessions have below the root. Servers other
// than embedded ones have to answer the four-letter word wchp, which is off by
// default.
func (t *Target) Watches(tb testing.TB) int {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), targetTimeout)
	defer cancel()
	n := 0
	switch t.Kind {
	case Embedded:
		for _, w := range t.Server.Watches() {
			if below(t.root, w.Path) {
				n++
			}
		}
	case RealEnsemble:
		for _, node := range t.Cluster.Servers() {
			answer, err := node.Word(ctx, "wchp")
			if err != nil {
				tb.Fatal(err)
			}
			n += countWatches(answer, t.root)
		}
	default:
		for host := range strings.SplitSeq(t.hosts, ",") {
			answer, err := sendWord(ctx, host, "wchp")
			if err != nil {
				tb.Fatal(err)
			}
			if strings.Contains(answer, "whitelist") {
				tb.Fatalf("zktest: %s: %s", host, answer)
			}
			n += countWatches(answer, t.root)
		}
	}
	return n
}

// WatchesLeft is Watches for the end of a test, when nobody waits any more. On an old
// Keeper, where no session can give up a watch, it returns 0.
func (t *Target) WatchesLeft(tb testing.TB) int {
	tb.Helper()
	if t.oldKeeper() {
		return 0
	}
	return t.Watches(tb)
}

// countWatches counts in an answer to wchp: a line per path, and below it an
// indented one for each session that watches.
func countWatches(answer, root string) int {
	n, counts := 0, false
	for line := range strings.Lines(answer) {
		if strings.HasPrefix(line, "/") {
			counts = below(root, strings.TrimSpace(line))
		} else if counts && strings.TrimSpace(line) != "" {
			n++
		}
	}
	return n
}

func below(root, path string) bool { return path == root || strings.HasPrefix(path, root+"/") }

// attemptTimeout bounds what a Target asks of one server, before it asks the next:
// now and then a server that is busy answers a request never.
const attemptTimeout = 10 * time.Second

// withSession calls f with a session at a server that grants one, and again at the next if
// that one does not answer. f may be called anew from the beginning.
func (t *Target) withSession(ctx context.Context, f func(*rawClient) error) error {
	pause := time.NewTicker(pollInterval)
	defer pause.Stop()
	for {
		var err error
		for host := range strings.SplitSeq(t.hosts, ",") {
			err = attempt(ctx, host, f)
			if refused := (*rawError)(nil); err == nil || errors.As(err, &refused) {
				return err
			}
		}
		select {
		case <-pause.C:
		case <-ctx.Done():
			return err
		}
	}
}

func attempt(ctx context.Context, host string, f func(*rawClient) error) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	c, err := dialRaw(ctx, host, targetTimeout)
	if err != nil {
		return err
	}
	defer c.close()
	return f(c)
}

// clean removes the root. An embedded server goes as a whole.
func (t *Target) clean(tb testing.TB) {
	if t.Kind == Embedded {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), targetTimeout)
	defer cancel()
	if err := t.withSession(ctx, func(c *rawClient) error { return removeTree(ctx, c, t.root) }); err != nil {
		tb.Errorf("zktest: %s is left: %v", t.root, err)
	}
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9_.]+`)

// nodeName makes a node's name of a test's.
func nodeName(test string) string {
	name := notInNames.ReplaceAllString(test, "-")
	return name[:min(len(name), 60)]
}

var shared struct {
	sync.Mutex
	cluster *Cluster
}

// sharedEnsemble returns the ensemble of this process, with all its servers
// running. Nobody closes it: the servers end with the process, and the next
// ensemble on this machine removes their folder.
func sharedEnsemble(ctx context.Context) (*Cluster, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.cluster != nil {
		return shared.cluster, shared.cluster.Start(ctx)
	}
	// The short tick allows for the short sessions of the embedded server; the
	// limits are in ticks, and must not be short on a busy machine.
	c, err := StartEnsemble(ctx, 3, WithTick(100*time.Millisecond), WithInitLimit(200), WithSyncLimit(100))
	shared.cluster = c
	return c, err
}

// CloseShared ends the ensemble that the tests of this process share, if it
// was started. It is for a TestMain that looks for leaked goroutines; without
// it the servers end with the process.
func CloseShared() error {
	shared.Lock()
	defer shared.Unlock()
	if shared.cluster == nil {
		return nil
	}
	c := shared.cluster
	shared.cluster = nil
	return c.Close()
}
