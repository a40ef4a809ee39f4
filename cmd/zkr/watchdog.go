//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package main

import (
	"encoding/binary"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Between zkr and the command runs a guard: zkr itself in another mode. It is the
// parent of the command and ends it when zkr cannot: when zkr has died, or when
// the deadline passes up to which zkr certainly owns what the command works with.
// It talks to zkr over a socket, in messages of a kind and a number.
//
// The guard has a process group of its own and catches all signals to it. It
// keeps neither the terminal nor any other file of the command open.

// watchdogMode is the first argument of a guard.
const watchdogMode = "__guard"

// Messages to the guard.
const (
	msgDeadline = 'd' // kill the command at this time of the monotonic clock; 0 for none
	msgSignal   = 's' // send this signal to the group
	msgEnd      = 'e' // TERM now, KILL after so many nanoseconds
)

// Messages from the guard.
const (
	msgStarted   = 'p' // the command has this process id
	msgFailed    = 'f' // the command cannot be executed: an errno
	msgStopped   = 't' // it has been stopped by this signal
	msgContinued = 'c'
	msgEnded     = 'x' // it has ended with this wait status
)

type message struct {
	kind  byte
	value int64
}

const messageSize = 9

func readMessage(r io.Reader) (message, error) {
	var b [messageSize]byte
	_, err := io.ReadFull(r, b[:])
	return message{b[0], int64(binary.BigEndian.Uint64(b[1:]))}, err
}

func writeMessage(w io.Writer, m message) error {
	_, err := w.Write(binary.BigEndian.AppendUint64([]byte{m.kind}, uint64(m.value)))
	return err
}

// watchdog is the state of a guard process.
type watchdog struct {
	conn          *os.File
	pid           int // of the command, which leads its process group
	deadlineTimer *time.Timer

	mu      sync.Mutex
	reaped  bool // the command: its process id may be another's now
	ending  bool // the command is to end, and all its descendants
	killing sync.Once
}

// watchdogMain runs the guard. Its arguments are the descriptor of the socket, the
// first deadline, whether the command gets the terminal, its file and its arguments.
func watchdogMain(args []string) int {
	if len(args) < 5 {
		return exitFailed
	}
	fd, err := strconv.Atoi(args[0])
	deadline, err2 := strconv.ParseInt(args[1], 10, 64)
	if err != nil || err2 != nil {
		return exitFailed
	}
	// Where children are killed with their parent, Linux means the thread that
	// started them.
	runtime.LockOSThread()
	syscall.CloseOnExec(fd)
	g := &watchdog{conn: os.NewFile(uintptr(fd), "zkr")}
	catchSignals()
	prepareWatchdog()
	if deadline != 0 && deadline <= monotonic() {
		writeMessage(g.conn, message{msgFailed, int64(syscall.ECANCELED)})
		return exitFailed
	}
	attr := &syscall.SysProcAttr{Setpgid: true, Foreground: args[2] == "1"}
	dieWithParent(attr)
	g.mu.Lock() // no signal before the process id is known
	g.pid, err = syscall.ForkExec(args[3], args[4:], &syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: attr})
	if err != nil {
		errno, ok := err.(syscall.Errno)
		if !ok {
			errno = syscall.EINVAL
		}
		writeMessage(g.conn, message{msgFailed, int64(errno)})
		return exitFailed
	}
	g.deadlineTimer = time.AfterFunc(time.Hour, g.kill)
	g.setDeadline(deadline)
	g.mu.Unlock()
	closeInherited(fd)
	writeMessage(g.conn, message{msgStarted, int64(g.pid)})
	go g.listen()
	writeMessage(g.conn, message{msgEnded, int64(g.wait())})
	return 0
}

// catchSignals has signals to the guard do nothing. They are caught and not
// ignored because the command would inherit that.
func catchSignals() {
	for _, sig := range []os.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGPIPE, syscall.SIGALRM, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU,
	} {
		if !signal.Ignored(sig) || sig == syscall.SIGTTOU { // that one zkr ignores, see terminal
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
}

// lastInherited bounds the descriptors that zkr passes on.
const lastInherited = 255

// closeInherited closes all files that belong to the command.
func closeInherited(keep int) {
	null, err := syscall.Open(os.DevNull, syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	for fd := range lastInherited + 1 {
		switch flags, ferr := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); {
		case ferr != nil || fd == keep || flags&unix.FD_CLOEXEC != 0:
		case fd <= 2 && err == nil:
			unix.Dup2(null, fd)
		default:
			syscall.Close(fd)
		}
	}
}

// listen does what zkr says until zkr is gone.
func (g *watchdog) listen() {
	for {
		m, err := readMessage(g.conn)
		if err != nil {
			g.kill()
			return
		}
		switch m.kind {
		case msgDeadline:
			g.setDeadline(m.value)
		case msgSignal:
			g.signal(syscall.Signal(m.value))
		case msgEnd:
			g.mu.Lock()
			g.ending = true
			g.mu.Unlock()
			g.signal(syscall.SIGTERM)
			time.AfterFunc(time.Duration(m.value), g.kill)
		}
	}
}

func (g *watchdog) setDeadline(at int64) {
	if at == 0 {
		g.deadlineTimer.Stop()
		return
	}
	g.deadlineTimer.Reset(time.Duration(at - monotonic()))
}

// signal sends a signal to the command's group. A process that is stopped hears of
// it only when it is continued.
func (g *watchdog) signal(sig syscall.Signal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.reaped {
		return
	}
	syscall.Kill(-g.pid, sig)
	switch sig {
	case syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT:
		syscall.Kill(-g.pid, syscall.SIGCONT)
	}
}

// killPause is how long to wait before looking again who is left.
const killPause = 5 * time.Millisecond

// kill kills the command and its descendants until none is left.
func (g *watchdog) kill() {
	g.killing.Do(func() {
		g.mu.Lock()
		g.ending = true
		g.mu.Unlock()
		go func() {
			for { // until wait returns and the guard ends
				g.signal(syscall.SIGKILL)
				killChildren()
				time.Sleep(killPause)
			}
		}()
	})
}

// wait returns how the command has ended. If it had to end, its descendants have,
// too: on Linux all, elsewhere those in its group.
func (g *watchdog) wait() (status syscall.WaitStatus) {
	for {
		var st syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &st, syscall.WUNTRACED|waitContinued, nil)
		switch {
		case err == syscall.EINTR || err == nil && pid != g.pid:
			continue
		case err != nil:
			g.emptyGroup()
			return status
		case st.Stopped():
			writeMessage(g.conn, message{msgStopped, int64(st.StopSignal())})
			continue
		case st.Continued():
			writeMessage(g.conn, message{msgContinued, 0})
			continue
		}
		status = st
		g.mu.Lock()
		ending := g.ending
		g.reaped = !ending // as long as it is ending, its group may have members
		g.mu.Unlock()
		if !ending {
			return status
		}
	}
}

// emptyGroup waits until nobody is left in the command's group.
func (g *watchdog) emptyGroup() {
	for syscall.Kill(-g.pid, 0) == nil {
		time.Sleep(killPause)
	}
}

// monotonic is a clock that all processes of the machine share, in nanoseconds.
func monotonic() int64 {
	var ts unix.Timespec
	unix.ClockGettime(monotonicClock, &ts)
	return ts.Nano()
}
