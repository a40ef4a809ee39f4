//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/zktest"
)

// guarded is a zkr with a command, as the tests see it.
type guarded struct {
	*exec.Cmd
	dir string
}

// startGuarded runs zkr lock around a shell script. The script says the process ids
// that matter with `echo ID >NAME`.
func startGuarded(t *testing.T, srv *zktest.Server, script string, flags ...string) *guarded {
	t.Helper()
	dir := t.TempDir()
	args := append(append([]string{"--server", srv.Addr(), "lock"}, flags...), "/lock", "--", "sh", "-c", script)
	g := &guarded{exec.Command("zkr", args...), dir}
	g.Dir, g.Env = dir, append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	g.Stderr = &capture{}
	g.WaitDelay = time.Second
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Process.Kill(); g.Wait() })
	return g
}

// told waits for a process id that the script has written.
func (g *guarded) told(t *testing.T, name string) int {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		b, _ := os.ReadFile(filepath.Join(g.dir, name))
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && strings.HasSuffix(string(b), "\n") {
			return pid
		}
	}
	t.Fatalf("nothing in %s: %s", name, g.Stderr)
	return 0
}

// state is the letter of a process in /proc, "" if it has gone.
func state(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest[:1]
}

// waitGone waits until none of the processes runs.
func waitGone(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		end := time.Now().Add(patience)
		for s := state(pid); s != "" && s != "Z"; s = state(pid) {
			if time.Now().After(end) {
				t.Fatalf("process %d is in state %s", pid, s)
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
}

// guardOf is the parent of a command.
func guardOf(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	ppid, _ := strconv.Atoi(strings.Fields(rest)[1])
	return ppid
}

// family is a script with a child in the group, and one that has left it and its
// session. All ignore TERM and USR1, of which the script says that it has come.
const family = `trap "" TERM USR1
sh -c 'echo $$ >inside; while :; do sleep 1; done' &
setsid sh -c 'echo $$ >outside; while :; do sleep 1; done' &
trap "echo $$ >heard" USR1
echo $$ >leader; while :; do sleep 1; done`

func (g *guarded) family(t *testing.T) []int {
	return []int{g.told(t, "inside"), g.told(t, "outside"), g.told(t, "leader")}
}

// A killed zkr leaves no descendant of its command behind.
func TestKilledZkrLeavesNobody(t *testing.T) {
	// The deadline, which would end them as well, is far away.
	g := startGuarded(t, zktest.New(t, zktest.WithTimeouts(time.Second, time.Hour)), family, "--timeout", "1h")
	pids := g.family(t)
	guard := guardOf(t, pids[2])
	g.Process.Kill()
	waitGone(t, pids...)
	waitGone(t, guard)
}

// The deadline holds for a zkr that does not run.
func TestStoppedZkrMeetsDeadline(t *testing.T) {
	t.Parallel()
	srv := zktest.New(t)
	g := startGuarded(t, srv, family, "--timeout", "2s", "--grace", "100ms")
	pids := g.family(t)
	next := exec.Command("zkr", "--server", srv.Addr(), "lock", "/lock", "--", "true")
	if err := next.Start(); err != nil {
		t.Fatal(err)
	}
	g.Process.Signal(syscall.SIGSTOP)
	if err := next.Wait(); err != nil {
		t.Error(err)
	}
	for _, pid := range pids {
		if s := state(pid); s != "" && s != "Z" {
			t.Errorf("the next has owned, and %d is in state %s", pid, s)
		}
	}
	g.Process.Signal(syscall.SIGCONT)
	if g.Wait(); g.ProcessState.ExitCode() != exitLost {
		t.Errorf("zkr: %v: %s", g.ProcessState, g.Stderr)
	}
}

// If the guard is killed, so is the command's group, and zkr says so.
func TestKilledGuard(t *testing.T) {
	t.Parallel()
	g := startGuarded(t, zktest.New(t), family)
	pids := g.family(t)
	t.Cleanup(func() { syscall.Kill(pids[1], syscall.SIGKILL) })
	// zkr passes a signal on when the guard has said which process the command is. A
	// guard that is killed before leaves its group behind.
	g.Process.Signal(syscall.SIGUSR1)
	g.told(t, "heard")
	syscall.Kill(guardOf(t, pids[2]), syscall.SIGKILL)
	if g.Wait(); g.ProcessState.ExitCode() != exitFailed {
		t.Errorf("zkr: %v: %s", g.ProcessState, g.Stderr)
	}
	waitGone(t, pids[0], pids[2])
	if !strings.Contains(fmt.Sprint(g.Stderr), "the guard process was killed") {
		t.Errorf("zkr said %q", g.Stderr)
	}
}

// A guard that is stopped does not keep the command alive past the deadline.
func TestStoppedGuard(t *testing.T) {
	t.Parallel()
	srv := zktest.New(t)
	g := startGuarded(t, srv, `trap "" TERM
sh -c 'echo $$ >inside; while :; do sleep 1; done' &
echo $$ >leader; while :; do sleep 1; done`, "--timeout", "2s", "--grace", "100ms")
	pids := []int{g.told(t, "inside"), g.told(t, "leader")}
	guard := guardOf(t, pids[1])
	t.Cleanup(func() { syscall.Kill(guard, syscall.SIGKILL) })
	holder := srv.Sessions()[0]
	next := exec.Command("zkr", "--server", srv.Addr(), "lock", "/lock", "--", "true")
	if err := next.Start(); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(guard, syscall.SIGSTOP)
	defer srv.Isolate(holder)()
	if err := next.Wait(); err != nil {
		t.Error(err)
	}
	for _, pid := range pids {
		if s := state(pid); s != "" && s != "Z" {
			t.Errorf("the next has owned, and %d is in state %s", pid, s)
		}
	}
	if g.Wait(); g.ProcessState.ExitCode() != exitLost {
		t.Errorf("zkr: %v: %s", g.ProcessState, g.Stderr)
	}
	waitGone(t, guard)
}

// The guard takes no notice of signals, and holds no file of the command.
func TestGuardKeepsOut(t *testing.T) {
	g := startGuarded(t, zktest.New(t), `echo $$ >leader; exec sleep 1000`)
	pid := g.told(t, "leader")
	guard := guardOf(t, pid)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGUSR1, syscall.SIGPIPE} {
		syscall.Kill(-guard, sig)
	}
	// It lets go of them right after it has started the command.
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		kept := g.kept(t, guard)
		if len(kept) == 0 {
			break
		}
		if time.Now().After(end) {
			t.Errorf("the guard holds %v", kept)
			break
		}
	}
	if s := state(guard); s == "T" || s == "" {
		t.Errorf("the guard is in state %q", s)
	}
	g.Process.Signal(syscall.SIGTERM)
	g.Wait()
}

// kept lists the files of the command that its guard has open.
func (g *guarded) kept(t *testing.T, guard int) (kept []string) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", guard))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files of the guard: %v", err)
	}
	for _, f := range files {
		to, err := os.Readlink(f)
		if err == nil && (strings.HasPrefix(to, "pipe:") && !ownPipe(guard, f) || strings.HasPrefix(to, "/dev/pts/") || strings.HasPrefix(to, g.dir)) {
			kept = append(kept, to)
		}
	}
	return kept
}

// ownPipe reports whether the descriptor is closed on exec, as those of the Go
// runtime are.
func ownPipe(pid int, fd string) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%s", pid, filepath.Base(fd)))
	for line := range strings.SplitSeq(string(b), "\n") {
		if v, ok := strings.CutPrefix(line, "flags:"); ok {
			flags, _ := strconv.ParseInt(strings.TrimSpace(v), 8, 64)
			return flags&syscall.O_CLOEXEC != 0
		}
	}
	return false
}

// A guard that is stopped before it has said that the command runs does not hold zkr
// up for longer than zkr owns.
func TestGuardIsStoppedEarly(t *testing.T) {
	p := &child{name: "true", done: make(chan struct{}), spec: childSpec{
		env: os.Environ(), stdin: os.Stdin,
		deadline: func() (time.Time, <-chan struct{}) { return time.Now().Add(200 * time.Millisecond), nil },
	}}
	// The arguments of a program that says nothing take the guard's place.
	args := os.Args
	os.Args = []string{"mute"}
	defer func() { os.Args = args }()
	if _, err := p.startWatchdog(&command{file: "/bin/true", argv: []string{"true"}}, false); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("startGuard: %v", err)
	}
}
