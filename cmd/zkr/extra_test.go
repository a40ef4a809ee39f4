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

// extra is a process that a transcript has started. Its output goes through
// pipes, so that its end is seen only when nobody is left who could write to
// them: its child neither.
type extra struct {
	cmd      *exec.Cmd
	in       io.Closer
	out, err capture
	done     chan struct{}
	left     bool // once done: it has ended, but not all that it had started
}

// capture is what a process has written so far.
type capture struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *capture) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *capture) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func (x *extra) kill() {
	x.in.Close()
	x.cmd.Process.Kill()
	<-x.done
}

// lookPath finds a command as the transcript would.
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

func find(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "find VAR CMD")
	ts.Setenv(args[0], lookPath(ts, args[1]))
}

func address(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 1, "address NAME")
	_, addr, _ := strings.Cut(named(ts, args[0]).out.String(), "listening on ")
	ts.Setenv("ZK_SERVERS", strings.TrimSpace(addr))
}

// prepare makes a command as the transcript would run it.
func prepare(ts *testscript.TestScript, argv []string) *exec.Cmd {
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
	need(ts, neg, args, 2, "spawn NAME CMD...")
	x := &extra{cmd: prepare(ts, args[1:]), done: make(chan struct{})}
	x.cmd.Stdout, x.cmd.Stderr = &x.out, &x.err
	x.cmd.WaitDelay = patience
	in, err := x.cmd.StdinPipe() // its end is that of every puppet
	ts.Check(err)
	x.in = in
	ts.Check(x.cmd.Start())
	go func() {
		defer close(x.done)
		x.left = errors.Is(x.cmd.Wait(), exec.ErrWaitDelay)
	}()
	on(ts).extras[args[0]] = x
}

func named(ts *testscript.TestScript, name string) *extra {
	x := on(ts).extras[name]
	if x == nil {
		ts.Fatalf("no process %s", name)
	}
	return x
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "await NAME REGEXP")
	x := named(ts, args[0])
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	all := func() string { return x.out.String() + x.err.String() }
	until(ts, func() bool {
		select {
		case <-x.done:
			if !re.MatchString(all()) {
				ts.Fatalf("%s has ended (%v) with:\n%s", args[0], x.cmd.ProcessState, all())
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
	need(ts, neg, args, 2, "signal SIG NAME...")
	for _, name := range args[1:] {
		ts.Check(named(ts, name).cmd.Process.Signal(signalNames[args[0]]))
	}
}

func join(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "join NAME N")
	x := named(ts, args[0])
	until(ts, func() bool {
		select {
		case <-x.done:
			return true
		default:
			return false
		}
	}, func() string { return args[0] + " still runs, or its child:\n" + x.out.String() + x.err.String() })
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".out"), []byte(x.out.String()), 0o666))
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".err"), []byte(x.err.String()), 0o666))
	got := strconv.Itoa(x.cmd.ProcessState.ExitCode())
	if st := x.cmd.ProcessState.Sys().(syscall.WaitStatus); st.Signaled() {
		got = "killed"
	}
	if x.left {
		ts.Fatalf("%s has left somebody behind:\n%s", args[0], x.out.String())
	}
	if got != args[1] {
		ts.Fatalf("%s: %v, not %s\n%s%s", args[0], x.cmd.ProcessState, args[1], x.out.String(), x.err.String())
	}
}

func code(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, 2, "code N CMD...")
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
