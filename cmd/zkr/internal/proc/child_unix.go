//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package proc

import (
	"cmp"
	"errors"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Child is a command that was started. It leads its own process group. All
// signals are sent to this group, so that they reach the processes that the
// command starts. Its parent is a watchdog process.
type Child struct {
	name     string
	pid      int
	spec     Spec
	watchdog *os.Process
	conn     *os.File      // to the watchdog
	input    *inputPipe    // nil without input
	done     chan struct{} // closed when the child has ended

	// Valid when done is closed.
	code     int
	killedBy syscall.Signal
	failure  error // why code is not the exit code of the child

	mu      sync.Mutex
	stopped bool
}

func startChild(c *Command, spec Spec) (*Child, error) {
	p := &Child{name: c.Name(), spec: spec, done: make(chan struct{})}
	front := spec.Foreground && controlling.free()
	m, err := p.startWatchdog(c, front)
	if err != nil {
		return nil, err
	}
	if m.kind != msgStarted {
		p.conn.Close()
		p.watchdog.Wait()
		if front {
			controlling.reclaim()
		}
		return nil, &ExecError{syscall.Errno(m.value)}
	}
	if front {
		controlling.setOwner(p)
	}
	go p.listen()
	if spec.Deadline != nil {
		go p.sendDeadlines()
	}
	return p, nil
}

// startWatchdog starts the watchdog, which starts c, and returns the message about that.
// It sets p.pid. If it returns an error, no process is left.
func (p *Child) startWatchdog(c *Command, front bool) (message, error) {
	self, err := executable()
	if err != nil {
		return message{}, err
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return message{}, err
	}
	defer theirs.Close()
	files := []*os.File{p.spec.Stdin, cmp.Or(p.spec.Stdout, os.Stdout), cmp.Or(p.spec.Stderr, os.Stderr)}
	for fd := uintptr(len(files)); inherited(fd); fd++ {
		files = append(files, os.NewFile(fd, "inherited"))
	}
	argv := append([]string{os.Args[0], WatchdogArg, strconv.Itoa(len(files)), strconv.FormatInt(p.deadline(), 10), "0", c.File}, c.Args...)
	if front {
		argv[4] = "1"
	}
	p.watchdog, err = os.StartProcess(self, argv, &os.ProcAttr{
		Env: p.spec.Env, Files: append(files, theirs), Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		ours.Close()
		return message{}, err
	}
	p.conn = ours
	theirs.Close()
	// Later deadlines are sent to the watchdog only after it has started the command.
	if p.spec.Deadline != nil {
		if at, _ := p.spec.Deadline(); !at.IsZero() {
			ours.SetReadDeadline(at)
		}
	}
	m, err := readMessage(ours)
	if err == nil && m.kind == msgReady {
		p.pid = int(m.value)
		p.send(msgStart, 0)
		m, err = readMessage(ours)
	}
	ours.SetReadDeadline(time.Time{})
	if err == nil {
		return m, nil
	}
	ours.Close()
	p.watchdog.Kill()
	p.watchdog.Wait()
	if p.pid != 0 {
		p.killGroup()
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		err = ErrWatchdogKilled
	}
	return message{}, err
}

// socketPair returns both ends of a connection. Other children do not inherit them.
func socketPair() (ours, theirs *os.File, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, nil, err
	}
	for _, fd := range fds {
		syscall.CloseOnExec(fd)
	}
	if err := syscall.SetNonblock(fds[0], true); err != nil { // for SetReadDeadline
		syscall.Close(fds[0])
		syscall.Close(fds[1])
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "watchdog"), os.NewFile(uintptr(fds[1]), "watchdog"), nil
}

// inherited reports whether zkr has inherited this descriptor from the program that
// started it. Commands inherit it, too.
func inherited(fd uintptr) bool {
	flags, err := unix.FcntlInt(fd, unix.F_GETFD, 0)
	return err == nil && flags&unix.FD_CLOEXEC == 0 && fd < lastInherited
}

// deadline returns the current deadline on the clock of the watchdog, or 0 if there
// is none.
func (p *Child) deadline() int64 {
	if p.spec.Deadline == nil {
		return 0
	}
	at, _ := p.spec.Deadline()
	return onWatchdogClock(at)
}

// onWatchdogClock converts a time to the clock of the watchdog. The result is never
// later than at, even if zkr is stopped during the call.
func onWatchdogClock(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	now := monotonic()
	return now + int64(time.Until(at))
}

// sendDeadlines sends each new deadline to the watchdog.
func (p *Child) sendDeadlines() {
	for {
		at, changed := p.spec.Deadline()
		if time.Until(at) > 0 { // otherwise ownership has ended, and the last deadline stays
			p.send(msgDeadline, onWatchdogClock(at))
		}
		if changed == nil {
			return
		}
		select {
		case <-changed:
		case <-p.done:
			return
		}
	}
}

// send ignores errors: if the watchdog is gone, listen notices it.
func (p *Child) send(kind byte, value int64) { writeMessage(p.conn, message{kind, value}) }

// listen reads messages from the watchdog until the child has ended.
func (p *Child) listen() {
	defer close(p.done)
	defer p.conn.Close()
	defer controlling.release(p)
	for {
		m, err := readMessage(p.conn)
		switch {
		case err != nil:
			p.watchdog.Wait()
			p.onWatchdogKilled()
			return
		case m.kind == msgStopped:
			p.setStopped(true)
			p.onStopped(syscall.Signal(m.value))
		case m.kind == msgContinued:
			p.setStopped(false)
		case m.kind == msgEnded:
			p.watchdog.Wait()
			st := syscall.WaitStatus(m.value)
			if st.Signaled() {
				p.killedBy = st.Signal()
				p.code = ExitSignaled + int(p.killedBy)
			} else {
				p.code = st.ExitStatus()
			}
			return
		}
	}
}

// groupPoll is the interval at which the child's group is checked for members. No
// system call waits for that.
const groupPoll = 20 * time.Millisecond

// onWatchdogKilled is called when the watchdog was killed. The child must not run
// without one.
func (p *Child) onWatchdogKilled() {
	p.killedBy = syscall.SIGKILL
	p.code = watchdogFailed
	p.failure = ErrWatchdogKilled
	p.killGroup()
}

// killGroup kills the child's group when the watchdog has ended.
func (p *Child) killGroup() {
	limit := time.Now().Add(time.Second) // their new parent may not reap them
	for syscall.Kill(-p.pid, syscall.SIGKILL) == nil && time.Now().Before(limit) {
		time.Sleep(groupPoll)
	}
}

func (p *Child) setStopped(b bool) {
	p.mu.Lock()
	p.stopped = b
	p.mu.Unlock()
}

func (p *Child) isStopped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped
}

// onStopped is called when the child was stopped by a signal.
func (p *Child) onStopped(sig syscall.Signal) {
	switch {
	case sig == syscall.SIGTTIN || sig == syscall.SIGTTOU:
		// The child has used the terminal from the background.
		if controlling.give(p) {
			p.send(msgSignal, int64(syscall.SIGCONT))
			return
		}
		p.spec.Notice("%s waits for the terminal; bring zkr to the foreground (fg)", p.name)
		go p.awaitTerminal()
	case sig == syscall.SIGTSTP && controlling.has(p):
		// Ctrl-Z. A holder must not be suspended: it would block all waiters, and
		// the shell does not know this group. Members of the group that suspend
		// themselves a little later are continued as well.
		p.spec.Notice("%s is not suspended while it owns something", p.name)
		for _, d := range []time.Duration{0, 100 * time.Millisecond, time.Second} {
			time.AfterFunc(d, func() { p.signal(syscall.SIGCONT) })
		}
	default:
		p.spec.Notice("%s is stopped (%v)", p.name, sig)
		if controlling.has(p) {
			controlling.release(p) // so that Ctrl-C reaches zkr
			go p.awaitTerminal()
		}
	}
}

// terminalPoll is the interval at which awaitTerminal checks whether zkr is in the
// foreground. No signal reports that.
const terminalPoll = 50 * time.Millisecond

// awaitTerminal gives the child the terminal as soon as zkr is in the foreground,
// and continues it.
func (p *Child) awaitTerminal() {
	poll := time.NewTicker(terminalPoll)
	defer poll.Stop()
	for p.isStopped() {
		select {
		case <-poll.C:
		case <-p.done:
			return
		}
		if p.isStopped() && controlling.give(p) {
			p.send(msgSignal, int64(syscall.SIGCONT))
			return
		}
	}
}

// signal sends a signal to the child's group.
func (p *Child) signal(sig syscall.Signal) {
	select {
	case <-p.done:
	default:
		p.send(msgSignal, int64(sig))
	}
}

// Stop ends the child and its whole group: with TERM, and after the grace with
// KILL. It returns when the child has ended, on Linux with all its descendants.
func (p *Child) Stop(grace time.Duration) {
	p.send(msgEnd, int64(grace))
	select {
	case <-p.done:
		return
	case <-time.After(grace):
	}
	// The watchdog does the same at this moment, unless it is stopped. It reaps the child
	// just before it reports the end, so this process id is not in use for another one.
	syscall.Kill(-p.pid, syscall.SIGKILL)
	select {
	case <-p.done:
	case <-time.After(2 * time.Second):
		p.watchdog.Kill()
		<-p.done
	}
}
