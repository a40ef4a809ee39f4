package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// console is the other end of a terminal: the test types and reads there.
type console struct {
	*os.File
	lines chan string
}

// onTerminal starts a command on a new terminal, as the leader of a process session, as
// a login does with a shell.
func onTerminal(t *testing.T, server string, name string, args ...string) (*console, *exec.Cmd) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	var number, unlocked int32
	control := func(request uintptr, arg *int32) {
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, master.Fd(), request, uintptr(unsafe.Pointer(arg))); errno != 0 {
			t.Fatal(errno)
		}
	}
	control(syscall.TIOCGPTN, &number)
	control(syscall.TIOCSPTLCK, &unlocked)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()

	cmd := exec.Command(name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.Env = append(os.Environ(), "ZK_SERVERS="+server, "GORACE=atexit_sleep_ms=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	c := &console{File: master, lines: make(chan string, 100)}
	go func() {
		defer close(c.lines)
		for in := bufio.NewScanner(master); in.Scan(); {
			c.lines <- in.Text()
		}
	}()
	return c, cmd
}

// expect waits for a line.
func (c *console) expect(t *testing.T, pattern string) {
	t.Helper()
	re := regexp.MustCompile(pattern)
	var seen strings.Builder
	expired := time.After(testTimeout)
	for {
		select {
		case line, ok := <-c.lines:
			if re.MatchString(line) {
				return
			}
			if !ok {
				t.Fatalf("the output ended before %s:\n%s", pattern, &seen)
			}
			seen.WriteString(line + "\n")
		case <-expired:
			t.Fatalf("no %s in:\n%s", pattern, &seen)
		}
	}
}

// waitClosed waits for the end of a command, which must have closed its sessions.
func waitClosed(t *testing.T, cmd *exec.Cmd, srv *zktest.Server) {
	t.Helper()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if got := srv.Sessions(); len(got) != 0 {
		t.Errorf("sessions %x are left", got)
	}
}

// On a terminal the command can read, and Ctrl-C and Ctrl-Z reach it. It is not
// suspended. When it has ended, the shell has the terminal again.
func TestTerminal(t *testing.T) {
	srv := zktest.New(t)
	const shell = `
zkr lock /lock -- sh -c '
	trap "echo interrupted; exit 3" INT
	trap "echo continued" CONT
	echo reading; read line; echo "read $line"; read line; read line' </dev/tty
echo "code $?"
read line
echo "shell read $line"`
	c, cmd := onTerminal(t, srv.Addr(), "sh", "-c", shell)
	c.expect(t, "^reading")
	fmt.Fprintln(c, "hello")
	c.expect(t, "^read hello")
	fmt.Fprint(c, "\x1a")
	c.expect(t, "^(\\^Z)?continued")
	fmt.Fprint(c, "\x03")
	c.expect(t, "^(\\^C)?interrupted")
	c.expect(t, "^code 3")
	fmt.Fprintln(c, "good bye")
	c.expect(t, "^shell read good bye")
	waitClosed(t, cmd, srv)
}

// With --repeat, Ctrl-C reaches zkr as well, which then ends.
func TestTerminalRepeat(t *testing.T) {
	srv := zktest.New(t)
	c, cmd := onTerminal(t, srv.Addr(), "zkr", "elect", "--repeat", "/boss", "--", "testcmd", "-nostdin", "-exit", "3")
	c.expect(t, "^ready$")
	fmt.Fprint(c, "\x03")
	c.expect(t, "got INT")
	if cmd.Wait(); cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("zkr: %v", cmd.ProcessState)
	}
}

// On a terminal, lock break asks before it removes a node.
func TestBreakAsks(t *testing.T) {
	srv := zktest.New(t)
	const shell = `
zkr config set /lock/x-lock-0000000000 byhand
zkr lock break /lock x-lock-0000000000; echo "code $?"
zkr lock break /lock x-lock-0000000000; echo "code $?"`
	c, cmd := onTerminal(t, srv.Addr(), "sh", "-c", shell)
	c.expect(t, "^0")
	fmt.Fprintln(c, "n")
	c.expect(t, "nothing was removed")
	c.expect(t, "^code 1")
	fmt.Fprintln(c, "y")
	c.expect(t, "x-lock-0000000000: removed")
	c.expect(t, "^code 0")
	waitClosed(t, cmd, srv)
}

// On a terminal, work that takes more than a second shows its progress, which gives way to
// other output. With -q it does not.
func TestProgressBar(t *testing.T) {
	t.Parallel()
	srv := zktest.New(t)
	c, cmd := onTerminal(t, srv.Addr(), "zkr", "bench", "lock", "--clients", "2", "--duration", "2s")
	c.expect(t, `^running  \[#+-*\]  +\d+%  [\d,]+  .*\r +\rworkload +lock: .*`)
	c.expect(t, "^server ")
	waitClosed(t, cmd, srv)

	c, cmd = onTerminal(t, srv.Addr(), "zkr", "bench", "lock", "-q", "--clients", "2", "--duration", "1200ms")
	c.expect(t, "^workload +lock: ")
	c.expect(t, "^server ")
	waitClosed(t, cmd, srv)
}

// Ctrl-C ends a benchmark, which prints what it has measured and leaves nothing.
func TestBenchInterruptedOnTerminal(t *testing.T) {
	srv := zktest.New(t)
	before := srv.Tree()
	c, cmd := onTerminal(t, srv.Addr(), "zkr", "bench", "queue", "--ops", "1000000000")
	poll := time.NewTicker(2 * time.Millisecond)
	defer poll.Stop()
	const warmUp = 1000 // requests, or less
	for expired := time.After(testTimeout); len(srv.Requests()) < 3*warmUp; {
		select {
		case <-poll.C:
		case <-expired:
			t.Fatalf("only %d requests were made", len(srv.Requests()))
		}
	}
	fmt.Fprint(c, "\x03")
	c.expect(t, "workload +queue: ")
	c.expect(t, "^server ")
	if cmd.Wait(); cmd.ProcessState.ExitCode() != 130 {
		t.Errorf("zkr: %v", cmd.ProcessState)
	}
	if got := srv.Tree(); got != before || len(srv.Sessions()) > 0 {
		t.Errorf("sessions %x and nodes are left:\n%s", srv.Sessions(), got)
	}
}

// On a terminal, inspect --watch redraws in place.
func TestInspectRedraws(t *testing.T) {
	srv := zktest.New(t)
	s := srv.Session(t)
	if _, _, err := s.Create(t.Context(), "/conf", []byte("one")); err != nil {
		t.Fatal(err)
	}
	c, cmd := onTerminal(t, srv.Addr(), "zkr", "inspect", "--watch", "/conf")
	c.expect(t, `^\x1b\[H/conf: value\x1b\[K\r?$`)
	c.expect(t, `^version 0, 3 bytes, \S+ ago: one\x1b\[K\r?$`)
	if _, err := s.Set(t.Context(), "/conf", []byte("two"), session.AnyVersion); err != nil {
		t.Fatal(err)
	}
	c.expect(t, `^\x1b\[J\x1b\[H/conf: value\x1b\[K\r?$`)
	c.expect(t, `^version 1, 3 bytes, \S+ ago: two\x1b\[K\r?$`)
	fmt.Fprint(c, "\x03")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if got := srv.Watches(); len(got) != 0 {
		t.Errorf("watches %v are left", got)
	}
}
