//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package proc

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

// The watchdog is a process between zkr and the command: zkr itself, started with
// WatchdogArg. It is the parent of the command, and kills it when zkr has died or
// when the deadline passes until which zkr certainly owns what it owns. zkr and the
// watchdog exchange messages over a socket. A message is a kind and a number.
//
//	zkr                  watchdog                starter, then command
//	 | start              |                       |
//	 |------------------->| fork                  |
//	 |                    |---------------------->| waits
//	 | msgReady, pid      |                       |
//	 |<-------------------|                       |
//	 | msgStart           |                       |
//	 |------------------->| one byte              |
//	 |                    |---------------------->| executes the command
//	 | msgStarted         | end of file, or errno |
//	 |<-------------------|<----------------------|
//
// The command is executed only after both zkr and the watchdog know its process group,
// so that each can kill the group when the other has died. Until then a starter, zkr
// itself as well, has the command's process id. It ends when its watchdog ends.
//
// The watchdog has its own process group and catches all signals. It does not keep
// the terminal or other files of the command open.

// Messages to the watchdog.
const (
	msgStart    = 'g' // execute the command
	msgDeadline = 'd' // kill the command at this time of the monotonic clock; 0 for none
	msgSignal   = 's' // send this signal to the group
	msgEnd      = 'e' // send TERM now, and KILL after this number of nanoseconds
)

// Messages from the watchdog.
const (
	msgReady     = 'p' // the command will have this process id
	msgStarted   = 'r' // the command runs
	msgFailed    = 'f' // the command cannot be executed, because of this errno
	msgStopped   = 't' // the command was stopped by this signal
	msgContinued = 'c' // the command was continued
	msgEnded     = 'x' // the command has ended with this wait status
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

// watchdog is the state of a watchdog process.
type watchdog struct {
	conn          *os.File
	pid           int // the command, which leads its process group
	deadlineTimer *time.Timer

	mu      sync.Mutex
	reaped  bool // the command was reaped, so its process id may be in use again
	ending  bool // the command and all its descendants must end
	killing sync.Once
}

// reached is called by the watchdog at each stage of a start. Tests replace it.
var reached = func(stage string) {}

// WatchdogMain runs a watchdog or a starter and returns its exit code. The arguments are
// those after WatchdogArg, for a watchdog the descriptor of the socket, the first deadline, whether the
// command gets the terminal, and the command's file and arguments.
func WatchdogMain(args []string) int {
	if len(args) > 0 && args[0] == starterArg {
		return starterMain(args[1:])
	}
	if len(args) < 5 {
		return watchdogFailed
	}
	fd, err := strconv.Atoi(args[0])
	deadline, err2 := strconv.ParseInt(args[1], 10, 64)
	if err != nil || err2 != nil {
		return watchdogFailed
	}
	// For Pdeathsig, Linux takes the thread that started a child as its parent.
	runtime.LockOSThread()
	syscall.CloseOnExec(fd)
	w := &watchdog{conn: os.NewFile(uintptr(fd), "zkr")}
	catchSignals()
	prepareWatchdog()
	if deadline != 0 && deadline <= monotonic() {
		writeMessage(w.conn, message{msgFailed, int64(syscall.ECANCELED)})
		return watchdogFailed
	}
	reached("prepared")
	w.mu.Lock() // no signal is sent before the process id is known
	starter, err := w.startStarter(args[2] == "1", args[3:])
	if err != nil {
		return w.fail(err)
	}
	reached("forked")
	w.deadlineTimer = time.AfterFunc(time.Hour, w.kill)
	w.setDeadline(deadline)
	w.mu.Unlock()
	closeInherited(fd)
	writeMessage(w.conn, message{msgReady, int64(w.pid)})
	reached("ready")
	if m, err := readMessage(w.conn); err != nil || m.kind != msgStart {
		w.kill()
		w.wait()
		return watchdogFailed
	}
	go w.listen()
	if err := w.execute(starter); err != nil {
		w.wait() // the starter ends as well
		return w.fail(err)
	}
	writeMessage(w.conn, message{msgStarted, 0})
	go reached("running")
	writeMessage(w.conn, message{msgEnded, int64(w.wait())})
	return 0
}

// fail reports that the command cannot be executed, and returns the exit code.
func (w *watchdog) fail(err error) int {
	errno, ok := err.(syscall.Errno)
	if !ok {
		errno = syscall.EINVAL
	}
	writeMessage(w.conn, message{msgFailed, int64(errno)})
	return watchdogFailed
}

// startStarter starts a starter for the command argv, which is its file and its
// arguments, and returns the connection to it. The caller must hold w.mu.
func (w *watchdog) startStarter(foreground bool, argv []string) (*os.File, error) {
	self, err := executable()
	if err != nil {
		return nil, err
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	fd := theirs.Fd()
	if _, err := unix.FcntlInt(fd, unix.F_SETFD, 0); err != nil { // the starter inherits it
		return nil, err
	}
	attr := &syscall.SysProcAttr{Setpgid: true, Foreground: foreground}
	dieWithParent(attr)
	w.pid, err = syscall.ForkExec(self, append([]string{os.Args[0], WatchdogArg, starterArg, strconv.Itoa(int(fd))}, argv...),
		&syscall.ProcAttr{Env: os.Environ(), Files: []uintptr{0, 1, 2}, Sys: attr})
	return ours, err
}

// continuePeriod is how often a starter is continued: a signal from the terminal could
// have stopped it before it has executed the command.
const continuePeriod = 100 * time.Millisecond

// execute makes the starter execute the command, and returns when it has.
func (w *watchdog) execute(starter *os.File) error {
	defer starter.Close()
	ticker := time.NewTicker(continuePeriod)
	defer ticker.Stop()
	executed := make(chan struct{})
	defer close(executed)
	go func() {
		for {
			select {
			case <-ticker.C:
				w.signal(syscall.SIGCONT)
			case <-executed:
				return
			}
		}
	}()
	starter.Write([]byte{0}) // if the starter is gone, wait returns its status
	reached("released")
	m, err := readMessage(starter)
	reached("started")
	if err != nil { // the connection was closed by the execution
		return nil
	}
	return syscall.Errno(m.value)
}

// starterArg is the first argument after WatchdogArg of a starter.
const starterArg = "start"

// starterMain waits for a byte from the watchdog and executes the command. The arguments
// are the descriptor of the connection, and the command's file and arguments.
func starterMain(args []string) int {
	if len(args) < 3 {
		return watchdogFailed
	}
	fd, err := strconv.Atoi(args[0])
	if err != nil {
		return watchdogFailed
	}
	syscall.CloseOnExec(fd)
	conn := os.NewFile(uintptr(fd), "watchdog")
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		return watchdogFailed // the watchdog is gone
	}
	err = syscall.Exec(args[1], args[2:], os.Environ())
	if errno, ok := err.(syscall.Errno); ok {
		writeMessage(conn, message{msgFailed, int64(errno)})
	}
	return watchdogFailed
}

// catchSignals makes signals to the watchdog have no effect. It catches them, because
// the command would inherit ignored signals.
func catchSignals() {
	for _, sig := range []os.Signal{
		syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGUSR2,
		syscall.SIGPIPE, syscall.SIGALRM, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU,
	} {
		if !signal.Ignored(sig) || sig == syscall.SIGTTOU { // zkr may ignore TTOU itself, see shareTerminal
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
}

// lastInherited is the highest descriptor that commands can inherit.
const lastInherited = 255

// closeInherited closes all inherited descriptors but keep, and replaces stdin,
// stdout and stderr by the null device.
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

// listen carries out the messages from zkr, and kills the command when zkr is gone.
func (w *watchdog) listen() {
	for {
		m, err := readMessage(w.conn)
		if err != nil {
			w.kill()
			return
		}
		switch m.kind {
		case msgDeadline:
			w.setDeadline(m.value)
		case msgSignal:
			w.signal(syscall.Signal(m.value))
		case msgEnd:
			w.mu.Lock()
			w.ending = true
			w.mu.Unlock()
			w.signal(syscall.SIGTERM)
			time.AfterFunc(time.Duration(m.value), w.kill)
		}
	}
}

func (w *watchdog) setDeadline(at int64) {
	if at == 0 {
		w.deadlineTimer.Stop()
		return
	}
	w.deadlineTimer.Reset(time.Duration(at - monotonic()))
}

// signal sends a signal to the command's group. If the signal asks to end, CONT
// follows: a stopped process does not handle signals.
func (w *watchdog) signal(sig syscall.Signal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reaped {
		return
	}
	syscall.Kill(-w.pid, sig)
	switch sig {
	case syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT:
		syscall.Kill(-w.pid, syscall.SIGCONT)
	}
}

// killPause is the pause before the next check for processes that are left.
const killPause = 5 * time.Millisecond

// kill starts to kill the command and its descendants, again and again until none
// is left.
func (w *watchdog) kill() {
	w.killing.Do(func() {
		w.mu.Lock()
		w.ending = true
		w.mu.Unlock()
		go func() {
			for { // until wait returns and the process ends
				w.signal(syscall.SIGKILL)
				killChildren()
				time.Sleep(killPause)
			}
		}()
	})
}

// wait waits for the end of the command and returns its status. If the command was
// ended by the watchdog, wait also waits for its descendants: for all of them on
// Linux, for those in its group elsewhere.
func (w *watchdog) wait() (status syscall.WaitStatus) {
	for {
		var st syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &st, syscall.WUNTRACED|waitContinued, nil)
		switch {
		case err == syscall.EINTR || err == nil && pid != w.pid:
			continue
		case err != nil:
			w.awaitEmptyGroup()
			return status
		case st.Stopped():
			writeMessage(w.conn, message{msgStopped, int64(st.StopSignal())})
			continue
		case st.Continued():
			writeMessage(w.conn, message{msgContinued, 0})
			continue
		}
		status = st
		w.mu.Lock()
		ending := w.ending
		w.reaped = !ending // while it is ending, the group may have other members
		w.mu.Unlock()
		if !ending {
			return status
		}
	}
}

// awaitEmptyGroup waits until the command's group has no members.
func (w *watchdog) awaitEmptyGroup() {
	for syscall.Kill(-w.pid, 0) == nil {
		time.Sleep(killPause)
	}
}

// monotonic returns the time in nanoseconds on a clock that all processes of the
// machine share.
func monotonic() int64 {
	var ts unix.Timespec
	unix.ClockGettime(monotonicClock, &ts)
	return ts.Nano()
}
