//go:build ensemble && unix

package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/zktest"
)

var cuts = flag.Int("cuts", 1, "how often to cut off a server")

// ignoreTerm is the script of a child that ignores TERM.
const ignoreTerm = `trap "" TERM; echo $$; while :; do sleep 0.1; done`

// The holder, or the server that it is connected to, is cut off from the other servers.
// The holder's child, which ignores TERM, is gone before the next holder's child starts.
func TestChildIsGoneFirst(t *testing.T) {
	zkr := filepath.Join(t.TempDir(), "zkr")
	if out, err := exec.Command("go", "build", "-o", zkr, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cluster := zktest.Ensemble(t, 3, zktest.WithTick(time.Second), zktest.WithSyncLimit(8), zktest.WithInitLimit(10))
	for _, c := range []struct {
		name   string
		leader bool
		cut    func(*zktest.Node) (heal func()) // nil to cut off the client
	}{
		{"follower, links silent", false, (*zktest.Node).CutPeers},
		{"leader, links refused", true, (*zktest.Node).RejectPeers},
		{"client", false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			for i := range *cuts {
				gone, owned := cutChild(t, cluster, zkr, c.leader, c.cut)
				t.Logf("cut %d: the child was gone after %.2f s, the next child began after %.2f s: %.2f s between",
					i+1, gone.Seconds(), owned.Seconds(), (owned - gone).Seconds())
				if owned <= gone {
					t.Error("the next holder has owned the lock while the child still ran")
				}
			}
		})
	}
}

// cutChild returns how long after a cut the child of the holder was gone, and how long
// after it the next in line owned the lock.
func cutChild(t *testing.T, cluster *zktest.Cluster, zkr string, ofLeader bool, cutServer func(*zktest.Node) func()) (gone, owned time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*testTimeout)
	defer cancel()
	leader, followers, err := cluster.Roles(ctx)
	if err != nil {
		t.Fatal(err)
	}
	victim, others := followers[0], leader.Addr()+","+followers[1].Addr()
	if ofLeader {
		victim, others = leader, followers[0].Addr()+","+followers[1].Addr()
	}
	cut := func() func() { return cutServer(victim) }
	server := victim.Addr()
	if cutServer == nil {
		proxy, err := zktest.NewProxy(server)
		if err != nil {
			t.Fatal(err)
		}
		defer proxy.Close()
		server, cut = proxy.Addr(), proxy.Cut
	}
	holder, child := start(t, ctx, zkr, server, ignoreTerm)
	pid := (<-child).pid
	died := make(chan time.Time, 1)
	go func() { died <- waitDead(pid) }()
	next, child := start(t, ctx, zkr, others, "echo $$")
	<-time.After(8*time.Second + rand.N(4*time.Second)) // the next waits, and the cut comes at a random moment
	var childEnd time.Time
	select {
	case childEnd = <-died: // the session was not confirmed in time, which happens on a busy machine
	default:
	}
	lostEarly := !childEnd.IsZero()
	begin := time.Now()
	heal := cut()
	defer heal()
	owned = (<-child).began.Sub(begin)
	if !lostEarly {
		childEnd = <-died
	}
	gone = childEnd.Sub(begin)
	var exit *exec.ExitError
	if err := holder.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitLost {
		t.Errorf("the holder ended with %v", err)
	}
	if lostEarly {
		t.Logf("lost before the cut: %s", holder.Stderr)
	}
	if err := next.Wait(); err != nil {
		t.Errorf("the next holder ended with %v", err)
	}
	return gone, owned
}

// noProcess is an id that no process has.
const noProcess = 1 << 30

// waitDead waits until a process is gone, and returns when it saw that.
func waitDead(pid int) time.Time {
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for syscall.Kill(pid, 0) == nil {
		<-poll.C
	}
	return time.Now()
}

type startedChild struct {
	pid   int
	began time.Time
}

// start runs zkr lock with a shell script, and returns where the start of the script is
// reported.
func start(t *testing.T, ctx context.Context, zkr, servers, script string) (*exec.Cmd, <-chan startedChild) {
	t.Helper()
	cmd := exec.CommandContext(ctx, zkr, "--server", servers, "--timeout", "4s", "--connect-timeout", testTimeout.String(), "lock", "/cut", "--", "sh", "-c", script)
	cmd.Stderr = new(strings.Builder)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	began := make(chan startedChild, 1)
	go func() {
		line, err := bufio.NewReader(out).ReadString('\n')
		now := time.Now()
		pid, perr := strconv.Atoi(strings.TrimSpace(line))
		if err != nil || perr != nil {
			t.Errorf("the child printed %q (%v)", line, err)
			cmd.Process.Kill()
			pid = noProcess
		}
		began <- startedChild{pid, now}
	}()
	return cmd, began
}
