package zktest

import (
	"context"
	"crypto/rand"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	client "github.com/zkrecipes/zkrecipes/session"
)

// The kinds of Target.
const (
	Embedded     = "embedded"
	RealEnsemble = "ensemble"
	External     = "external"
)

// targetTimeout bounds the requests that a Target itself makes.
const targetTimeout = 2 * time.Minute

// A Target is the server or ensemble on which a test runs. Use it for tests that should
// run on the in-process server as well as on real servers. The environment variable
// ZKTEST selects the kind:
//
//   - embedded, or not set: a new in-process server;
//   - lagging: a new in-process ensemble, in which each session has a separate
//     [Follower] that applies the transactions of other sessions 20 ms late, so a read
//     without a sync does not see what another session has just written;
//   - oldkeeper: a new in-process server that refuses the operations of [WithOldKeeper]
//     by replying with -8, so that connections stay open;
//   - ensemble: three real servers, which all tests of the process share;
//   - HOST:PORT, or several separated by commas: servers that run already.
//
// Each test has its own part of the tree.
type Target struct {
	Kind    string   // Embedded, RealEnsemble or External
	Server  *Server  // if embedded or lagging, else nil
	Cluster *Cluster // if a real ensemble, else nil

	hosts string
	root  string
	lag   time.Duration // of the followers; 0 if sessions connect to the leader
}

// lagging is the value of ZKTEST for an in-process ensemble whose servers lag.
const lagging = "lagging"

// oldKeeper is the value of ZKTEST for a server that refuses operations as old versions of
// ClickHouse Keeper do.
const oldKeeper = "oldkeeper"

// followerLag is the lag of these followers. It is longer than a session of the same test
// takes to read what another session has written.
const followerLag = 20 * time.Millisecond

// Open returns the target for a test. It creates a node as the root of everything that
// the test creates, and deletes it with its descendants when the test ends.
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
	err := target.withSession(ctx, func(s *client.Session) error {
		_, _, err := s.Create(ctx, target.root, nil)
		return err
	})
	if err != nil {
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

// Connect returns a connect string with the test's node as chroot.
func (t *Target) Connect() string { return t.Hosts() + t.root }

// Hosts returns a connect string without chroot. On a lagging ensemble each call returns a
// different server.
func (t *Target) Hosts() string {
	if t.lag > 0 {
		f := t.Server.Follower(t.lag)
		f.setEager()
		return f.Addr()
	}
	return t.hosts
}

// Root returns the path of the test's node.
func (t *Target) Root() string { return t.root }

// Ephemerals returns the number of ephemeral nodes below the root.
func (t *Target) Ephemerals(tb testing.TB) int {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), targetTimeout)
	defer cancel()
	n := 0
	err := t.withSession(ctx, func(s *client.Session) (err error) {
		if err = s.Sync(ctx, t.root); err == nil {
			n, err = countEphemerals(ctx, s, t.root)
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return n
}

// oldKeeper reports whether ZKTEST is oldkeeper.
func (t *Target) oldKeeper() bool {
	return t.Server != nil && t.Server.opts.refused["removeWatches"] != 0
}

// Watches returns the number of watches at and below the root. External servers have to
// allow the four-letter word wchp, which is off by default.
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

// WatchesLeft is Watches for the end of a test, when nothing should be watched any more.
// If ZKTEST is oldkeeper it returns 0, because sessions cannot remove watches there.
func (t *Target) WatchesLeft(tb testing.TB) int {
	tb.Helper()
	if t.oldKeeper() {
		return 0
	}
	return t.Watches(tb)
}

// countWatches counts the watches at and below root in an answer to wchp: it has a line
// per path, followed by an indented line for each session.
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

// withSession calls f with a session, which is closed afterwards.
func (t *Target) withSession(ctx context.Context, f func(*client.Session) error) error {
	s, err := client.Connect(ctx, t.hosts)
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	return f(s)
}

// clean deletes the root, unless the server ends with the test.
func (t *Target) clean(tb testing.TB) {
	if t.Kind == Embedded {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), targetTimeout)
	defer cancel()
	if err := t.withSession(ctx, func(s *client.Session) error { return removeTree(ctx, s, t.root) }); err != nil {
		tb.Errorf("zktest: cannot delete %s: %v", t.root, err)
	}
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9_.]+`)

// nodeName returns a name for a test's node.
func nodeName(test string) string {
	name := notInNames.ReplaceAllString(test, "-")
	return name[:min(len(name), 60)]
}

var shared struct {
	sync.Mutex
	cluster *Cluster
}

// sharedEnsemble returns the ensemble of this process and starts those of its servers that
// do not run. The servers end with the process, and the next ensemble on this machine
// deletes their folder.
func sharedEnsemble(ctx context.Context) (*Cluster, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.cluster != nil {
		return shared.cluster, shared.cluster.Start(ctx)
	}
	// The short tick allows the short session timeouts of the embedded server. The
	// limits are in ticks and must be long enough for a busy machine.
	c, err := StartEnsemble(ctx, 3, WithTick(100*time.Millisecond), WithInitLimit(200), WithSyncLimit(100))
	shared.cluster = c
	return c, err
}

// CloseShared stops the ensemble that the tests of this process share, if it runs. Call it
// in a TestMain that checks for leaked goroutines; otherwise the servers end with the
// process.
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
