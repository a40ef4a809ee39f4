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

var cuts = flag.Int("cuts", 2, "how often to cut a server off")

// A follower that is cut off from its leader goes on serving zkr's connection.
// The child of the holder is gone before the child of the next is started.
func TestChildIsGoneFirst(t *testing.T) {
	zkr := filepath.Join(t.TempDir(), "zkr")
	if out, err := exec.Command("go", "build", "-o", zkr, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cluster := zktest.Ensemble(t, 3, zktest.WithTickTime(time.Second), zktest.WithSyncLimit(8), zktest.WithInitLimit(10))
	for i := range *cuts {
		ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
		defer cancel()
		leader, followers, err := cluster.Roles(ctx)
		if err != nil {
			t.Fatal(err)
		}
		victim := followers[0]
		holder, child := start(t, ctx, zkr, victim.Addr(), "sleep 1000")
		pid := (<-child).pid
		gone := make(chan time.Time, 1)
		go func() { gone <- dead(pid) }()
		next, child := start(t, ctx, zkr, leader.Addr()+","+followers[1].Addr(), "true")
		<-time.After(8*time.Second + rand.N(4*time.Second)) // the next waits, and the cut comes at any moment
		heal := victim.CutPeers()
		begin := time.Now()
		owned := (<-child).began
		select {
		case g := <-gone:
			t.Logf("cut %d: the child was gone after %.2f s, the next began after %.2f s: %.2f s between",
				i+1, g.Sub(begin).Seconds(), owned.Sub(begin).Seconds(), owned.Sub(g).Seconds())
		default:
			t.Error("the next owns, and the child still runs")
			<-gone
		}
		var exit *exec.ExitError
		if err := holder.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 123 {
			t.Errorf("the holder ended with %v", err)
		}
		if err := next.Wait(); err != nil {
			t.Errorf("the next ended with %v", err)
		}
		heal()
	}
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
	cmd := exec.CommandContext(ctx, zkr, "--server", servers, "--timeout", "4s", "--connect-timeout", patience.String(), "lock", "/cut", "--", "sh", "-c", "echo $$; exec "+script)
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
