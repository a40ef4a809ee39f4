//go:build linux

package main

import (
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

// lockCommand is a zkr lock process that runs a shell script.
type lockCommand struct {
	*exec.Cmd
	dir string // the script's working directory
}

// startLockCommand starts zkr lock with a shell script, which reports process ids with
// `echo ID >NAME`.
func startLockCommand(t *testing.T, srv *zktest.Server, script string, flags ...string) *lockCommand {
	t.Helper()
	dir := t.TempDir()
	args := append(append([]string{"--server", srv.Addr(), "lock"}, flags...), "/lock", "--", "sh", "-c", script)
	c := &lockCommand{exec.Command("zkr", args...), dir}
	c.Dir, c.Env = dir, append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	c.Stderr = &outputBuffer{}
	c.WaitDelay = time.Second
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
	return c
}

// pid waits for a process id that the script has written.
func (c *lockCommand) pid(t *testing.T, name string) int {
	t.Helper()
	for end := time.Now().Add(testTimeout); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		b, _ := os.ReadFile(filepath.Join(c.dir, name))
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && strings.HasSuffix(string(b), "\n") {
			return pid
		}
	}
	t.Fatalf("nothing in %s: %s", name, c.Stderr)
	return 0
}

// state returns the state of a process from /proc, one letter, or "" if the process
// does not exist.
func state(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest[:1]
}

// waitGone waits until all processes have ended.
func waitGone(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		end := time.Now().Add(testTimeout)
		for s := state(pid); s != "" && s != "Z"; s = state(pid) {
			if time.Now().After(end) {
				t.Fatalf("process %d is in state %s", pid, s)
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
}

// parentOf returns the parent of a process: for a command, its watchdog.
func parentOf(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	ppid, _ := strconv.Atoi(strings.Fields(rest)[1])
	return ppid
}

// descendantsScript has a child in its process group and one in another group and
// session. All ignore TERM.
const descendantsScript = `trap "" TERM
sh -c 'echo $$ >inside; while :; do sleep 1; done' &
setsid sh -c 'echo $$ >outside; while :; do sleep 1; done' &
echo $$ >leader; while :; do sleep 1; done`

// descendants returns the process ids of descendantsScript. The last is that of the
// script itself.
func (c *lockCommand) descendants(t *testing.T) []int {
	return []int{c.pid(t, "inside"), c.pid(t, "outside"), c.pid(t, "leader")}
}

// A killed zkr leaves no descendant of its command behind.
func TestKilledZkrLeavesNoProcess(t *testing.T) {
	// The deadline would end them, too, so it is far away.
	c := startLockCommand(t, zktest.New(t, zktest.WithTimeouts(time.Second, time.Hour)), descendantsScript, "--timeout", "1h")
	pids := c.descendants(t)
	watchdog := parentOf(t, pids[2])
	c.Process.Kill()
	waitGone(t, pids...)
	waitGone(t, watchdog)
}

// The command is killed at the deadline even if zkr is stopped.
func TestStoppedZkrMeetsDeadline(t *testing.T) {
	t.Parallel()
	srv := zktest.New(t)
	c := startLockCommand(t, srv, descendantsScript, "--timeout", "4s", "--grace", "100ms")
	pids := c.descendants(t)
	next := exec.Command("zkr", "--server", srv.Addr(), "lock", "/lock", "--", "true")
	if err := next.Start(); err != nil {
		t.Fatal(err)
	}
	c.Process.Signal(syscall.SIGSTOP)
	if err := next.Wait(); err != nil {
		t.Error(err)
	}
	for _, pid := range pids {
		if s := state(pid); s != "" && s != "Z" {
			t.Errorf("the next holder has owned the lock, and %d is in state %s", pid, s)
		}
	}
	c.Process.Signal(syscall.SIGCONT)
	if c.Wait(); c.ProcessState.ExitCode() != exitLost {
		t.Errorf("zkr: %v: %s", c.ProcessState, c.Stderr)
	}
}

// If the watchdog is killed, the command's group is killed as well, and zkr reports it.
func TestKilledWatchdog(t *testing.T) {
	t.Parallel()
	c := startLockCommand(t, zktest.New(t), descendantsScript)
	pids := c.descendants(t)
	t.Cleanup(func() { syscall.Kill(pids[1], syscall.SIGKILL) })
	syscall.Kill(parentOf(t, pids[2]), syscall.SIGKILL)
	if c.Wait(); c.ProcessState.ExitCode() != exitFailed {
		t.Errorf("zkr: %v: %s", c.ProcessState, c.Stderr)
	}
	waitGone(t, pids[0], pids[2])
	if !strings.Contains(fmt.Sprint(c.Stderr), "the watchdog process was killed") {
		t.Errorf("stderr is %q", c.Stderr)
	}
}

// The command is killed at the deadline even if the watchdog is stopped.
func TestStoppedWatchdog(t *testing.T) {
	t.Parallel()
	srv := zktest.New(t)
	c := startLockCommand(t, srv, `trap "" TERM
sh -c 'echo $$ >inside; while :; do sleep 1; done' &
echo $$ >leader; while :; do sleep 1; done`, "--timeout", "4s", "--grace", "100ms")
	pids := []int{c.pid(t, "inside"), c.pid(t, "leader")}
	watchdog := parentOf(t, pids[1])
	t.Cleanup(func() { syscall.Kill(watchdog, syscall.SIGKILL) })
	holder := srv.Sessions()[0]
	next := exec.Command("zkr", "--server", srv.Addr(), "lock", "/lock", "--", "true")
	if err := next.Start(); err != nil {
		t.Fatal(err)
	}
	syscall.Kill(watchdog, syscall.SIGSTOP)
	defer srv.Isolate(holder)()
	if err := next.Wait(); err != nil {
		t.Error(err)
	}
	for _, pid := range pids {
		if s := state(pid); s != "" && s != "Z" {
			t.Errorf("the next holder has owned the lock, and %d is in state %s", pid, s)
		}
	}
	if c.Wait(); c.ProcessState.ExitCode() != exitLost {
		t.Errorf("zkr: %v: %s", c.ProcessState, c.Stderr)
	}
	waitGone(t, watchdog)
}

// The watchdog ignores signals, and keeps no file of the command open.
func TestWatchdogIsIsolated(t *testing.T) {
	c := startLockCommand(t, zktest.New(t), `echo $$ >leader; exec sleep 1000`)
	pid := c.pid(t, "leader")
	watchdog := parentOf(t, pid)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, syscall.SIGUSR1, syscall.SIGPIPE} {
		syscall.Kill(-watchdog, sig)
	}
	// It closes the files right after it has started the command.
	for end := time.Now().Add(testTimeout); ; time.Sleep(2 * time.Millisecond) {
		files := c.openFiles(t, watchdog)
		if len(files) == 0 {
			break
		}
		if time.Now().After(end) {
			t.Errorf("the watchdog has open: %v", files)
			break
		}
	}
	if s := state(watchdog); s == "T" || s == "" {
		t.Errorf("the watchdog is in state %q", s)
	}
	c.Process.Signal(syscall.SIGTERM)
	c.Wait()
}

// openFiles lists the files of the command that its watchdog has open.
func (c *lockCommand) openFiles(t *testing.T, watchdog int) (open []string) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", watchdog))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files of the watchdog: %v", err)
	}
	for _, f := range files {
		to, err := os.Readlink(f)
		if err == nil && (strings.HasPrefix(to, "pipe:") && !ownPipe(watchdog, f) || strings.HasPrefix(to, "/dev/pts/") || strings.HasPrefix(to, c.dir)) {
			open = append(open, to)
		}
	}
	return open
}

// ownPipe reports whether the descriptor is closed on exec, as the pipes of the Go
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
