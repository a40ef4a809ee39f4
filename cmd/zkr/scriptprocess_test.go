//go:build unix

package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptProcess is a process that a script has started. Its output goes through
// pipes, so it has ended only when its children, which can write to the pipes, have
// ended as well.
type scriptProcess struct {
	cmd       *exec.Cmd
	in        io.Closer
	out, err  outputBuffer
	done      chan struct{}
	leftChild bool // valid when done is closed: it has ended, and a child has not
}

// outputBuffer keeps what a process has written so far.
type outputBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *outputBuffer) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *outputBuffer) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func (p *scriptProcess) kill() {
	p.in.Close()
	p.cmd.Process.Kill()
	<-p.done
}

// lookPath finds a command in the $PATH of the script.
func lookPath(ts *testscript.TestScript, name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	for dir := range strings.SplitSeq(ts.Getenv("PATH"), ":") {
		if file, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return file
		}
	}
	ts.Fatalf("no command %s", name)
	return ""
}

func findCommand(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 2, "lookpath VAR CMD")
	ts.Setenv(args[0], lookPath(ts, args[1]))
}

// scriptCommand returns a command that runs in the environment of the script.
func scriptCommand(ts *testscript.TestScript, argv []string) *exec.Cmd {
	cmd := exec.Command(lookPath(ts, argv[0]), argv[1:]...)
	cmd.Args[0] = argv[0]
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "ZK_SERVERS", "ZKR_AUTH", "ZOOKEEPER_HOME", "JAVA_HOME", "GOCOVERDIR", "GORACE"} {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	return cmd
}

func spawn(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 2, "spawn NAME CMD...")
	p := &scriptProcess{cmd: scriptCommand(ts, args[1:]), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	p.cmd.WaitDelay = testTimeout
	in, err := p.cmd.StdinPipe() // testcmd ends when its stdin is closed
	ts.Check(err)
	p.in = in
	ts.Check(p.cmd.Start())
	go func() {
		defer close(p.done)
		p.leftChild = errors.Is(p.cmd.Wait(), exec.ErrWaitDelay)
	}()
	envOf(ts).processes[args[0]] = p
}

func processNamed(ts *testscript.TestScript, name string) *scriptProcess {
	p := envOf(ts).processes[name]
	if p == nil {
		ts.Fatalf("no process %s", name)
	}
	return p
}

func setID(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 2, "id VAR NAME")
	host, err := os.Hostname()
	ts.Check(err)
	ts.Setenv(args[0], host+":"+strconv.Itoa(processNamed(ts, args[1]).cmd.Process.Pid))
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 2, "await NAME REGEXP")
	p := processNamed(ts, args[0])
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	all := func() string { return p.out.String() + p.err.String() }
	waitUntil(ts, func() bool {
		select {
		case <-p.done:
			if !re.MatchString(all()) {
				ts.Fatalf("%s has ended (%v) with:\n%s", args[0], p.cmd.ProcessState, all())
			}
		default:
		}
		return re.MatchString(all())
	}, all)
}

var signalNames = map[string]syscall.Signal{
	"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT,
	"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2,
	"KILL": syscall.SIGKILL, "STOP": syscall.SIGSTOP, "CONT": syscall.SIGCONT,
}

func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 2, "signal SIG NAME...")
	for _, name := range args[1:] {
		ts.Check(processNamed(ts, name).cmd.Process.Signal(signalNames[args[0]]))
	}
}

func join(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 2, "join NAME N")
	p := processNamed(ts, args[0])
	waitUntil(ts, func() bool {
		select {
		case <-p.done:
			return true
		default:
			return false
		}
	}, func() string { return args[0] + " still runs, or its child:\n" + p.out.String() + p.err.String() })
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".out"), []byte(p.out.String()), 0o666))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".err"), []byte(p.err.String()), 0o666))
	got := strconv.Itoa(p.cmd.ProcessState.ExitCode())
	if st := p.cmd.ProcessState.Sys().(syscall.WaitStatus); st.Signaled() {
		got = "killed"
	}
	if p.leftChild {
		ts.Fatalf("%s has left a process behind:\n%s", args[0], p.out.String())
	}
	if got != args[1] {
		ts.Fatalf("%s: %v, not %s\n%s%s", args[0], p.cmd.ProcessState, args[1], p.out.String(), p.err.String())
	}
}

func code(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 2, "code N CMD...")
	got := 0
	err := ts.Exec(args[1], args[2:]...)
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		got = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, not %s", got, args[0])
	}
}

func outputMatches(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 2, "output NAME REGEXP")
	p := processNamed(ts, args[0])
	all := p.out.String() + p.err.String()
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	if !re.MatchString(all) {
		ts.Fatalf("no %q in:\n%s", args[1], all)
	}
}

func sendLine(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 2, "sendline NAME LINE")
	_, err := io.WriteString(processNamed(ts, args[0]).in.(io.Writer), strings.Join(args[1:], " ")+"\n")
	ts.Check(err)
}

func closeStdin(ts *testscript.TestScript, neg bool, args []string) {
	checkUsage(ts, neg, args, 1, "closestdin NAME")
	ts.Check(processNamed(ts, args[0]).in.Close())
}
