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

var cuts = flag.Int("cuts", 1, "how often to cut a server off")

// stubborn is the script of a child that ignores TERM.
const stubborn = `trap "" TERM; echo $$; while :; do sleep 0.1; done`

// The holder is cut off from the other servers, with or without the server that it is
// connected to. Its child, which ignores TERM, is gone before the child of the next is
// started.
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
				t.Logf("cut %d: the child was gone after %.2f s, the next began after %.2f s: %.2f s between",
					i+1, gone.Seconds(), owned.Seconds(), (owned - gone).Seconds())
				if owned <= gone {
					t.Error("the next owned, and the child still ran")
				}
			}
		})
	}
}

// cutChild returns how long after a cut the child of the holder was gone, and the next
// in line owned.
func cutChild(t *testing.T, cluster *zktest.Cluster, zkr string, ofLeader bool, cutServer func(*zktest.Node) func()) (gone, owned time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
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
	holder, child := start(t, ctx, zkr, server, stubborn)
	pid := (<-child).pid
	died := make(chan time.Time, 1)
	go func() { died <- dead(pid) }()
	next, child := start(t, ctx, zkr, others, "echo $$")
	<-time.After(8*time.Second + rand.N(4*time.Second)) // the next waits, and the cut comes at any moment
	var end time.Time
	select {
	case end = <-died: // no server has confirmed the session in time, as on a loaded machine
	default:
	}
	early := !end.IsZero()
	begin := time.Now()
	heal := cut()
	defer heal()
	owned = (<-child).began.Sub(begin)
	if !early {
		end = <-died
	}
	gone = end.Sub(begin)
	var exit *exec.ExitError
	if err := holder.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitLost {
		t.Errorf("the holder ended with %v", err)
	}
	if early {
		t.Logf("lost before the cut: %s", holder.Stderr)
	}
	if err := next.Wait(); err != nil {
		t.Errorf("the next ended with %v", err)
	}
	return gone, owned
}

// noProcess has an id that no process has.
const noProcess = 1 << 30

// dead waits until a process is gone.
func dead(pid int) time.Time {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for syscall.Kill(pid, 0) == nil {
		<-look.C
	}
	return time.Now()
}

type started struct {
	pid   int
	began time.Time
}

// start runs zkr around a shell script, and tells when its child has begun.
func start(t *testing.T, ctx context.Context, zkr, servers, script string) (*exec.Cmd, <-chan started) {
	t.Helper()
	cmd := exec.CommandContext(ctx, zkr, "--server", servers, "--timeout", "4s", "--connect-timeout", patience.String(), "lock", "/cut", "--", "sh", "-c", script)
	cmd.Stderr = new(strings.Builder)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	began := make(chan started, 1)
	go func() {
		line, err := bufio.NewReader(out).ReadString('\n')
		now := time.Now()
		pid, perr := strconv.Atoi(strings.TrimSpace(line))
		if err != nil || perr != nil {
			t.Errorf("the child said %q (%v)", line, err)
			cmd.Process.Kill()
			pid = noProcess
		}
		began <- started{pid, now}
	}()
	return cmd, began
}
