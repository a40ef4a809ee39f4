//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package main

import (
	"cmp"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// child is the command that runs. It leads a process group of its own, to which
// all signals go, so that they reach its children as well. Its parent is a guard.
type child struct {
	name     string
	pid      int
	spec     childSpec
	watchdog *os.Process
	conn     *os.File      // to the guard
	done     chan struct{} // closed when it has ended
	code     int           // once it has ended
	killedBy syscall.Signal
	failure  error // why code is not the child's own

	mu      sync.Mutex
	stopped bool
}

// startChild runs c.
func startChild(c *command, t childSpec) (*child, error) {
	p := &child{name: c.argv[0], spec: t, done: make(chan struct{})}
	front := t.interactive && controlling.free()
	m, err := p.startWatchdog(c, front)
	if err != nil {
		return nil, exit(exitFailed, err)
	}
	if m.kind != msgStarted {
		p.conn.Close()
		p.watchdog.Wait()
		if front {
			controlling.reclaim()
		}
		return nil, &os.PathError{Op: "exec", Path: c.file, Err: syscall.Errno(m.value)}
	}
	p.pid = int(m.value)
	if front {
		controlling.given(p)
	}
	go p.listen()
	if t.deadline != nil {
		go p.passDeadlines()
	}
	return p, nil
}

// startWatchdog starts the guard, which starts c, and returns its first message.
func (p *child) startWatchdog(c *command, front bool) (message, error) {
	self, err := executable()
	if err != nil {
		return message{}, err
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return message{}, err
	}
	defer theirs.Close()
	files := []*os.File{p.spec.stdin, cmp.Or(p.spec.stdout, os.Stdout), cmp.Or(p.spec.stderr, os.Stderr)}
	for fd := uintptr(len(files)); inherited(fd); fd++ {
		files = append(files, os.NewFile(fd, "inherited"))
	}
	argv := append([]string{os.Args[0], watchdogMode, strconv.Itoa(len(files)), strconv.FormatInt(p.deadline(), 10), "0", c.file}, c.argv...)
	if front {
		argv[4] = "1"
	}
	p.watchdog, err = os.StartProcess(self, argv, &os.ProcAttr{
		Env: p.spec.env, Files: append(files, theirs), Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		ours.Close()
		return message{}, err
	}
	p.conn = ours
	theirs.Close()
	// The guard hears of later deadlines only when the command has been started.
	if p.spec.deadline != nil {
		if at, _ := p.spec.deadline(); !at.IsZero() {
			ours.SetReadDeadline(at)
		}
	}
	m, err := readMessage(ours)
	ours.SetReadDeadline(time.Time{})
	if err != nil {
		ours.Close()
		p.watchdog.Kill()
		p.watchdog.Wait()
	}
	return m, err
}

// socketPair returns both ends of a connection. No other child inherits them.
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
	if err := syscall.SetNonblock(fds[0], true); err != nil { // reads of it can be bounded
		syscall.Close(fds[0])
		syscall.Close(fds[1])
		return nil, nil, err
	}
	return os.NewFile(uintptr(fds[0]), "guard"), os.NewFile(uintptr(fds[1]), "guard"), nil
}

// inherited reports whether the program that started zkr has passed on this descriptor, for
// commands to use.
func inherited(fd uintptr) bool {
	flags, err := unix.FcntlInt(fd, unix.F_GETFD, 0)
	return err == nil && flags&unix.FD_CLOEXEC == 0 && fd < lastInherited
}

// deadline is the present one, by the clock of the guard; 0 if there is none.
func (p *child) deadline() int64 {
	if p.spec.deadline == nil {
		return 0
	}
	at, _ := p.spec.deadline()
	return onWatchdogClock(at)
}

// onWatchdogClock never returns a moment after at, even if zkr is stopped meanwhile.
func onWatchdogClock(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	now := monotonic()
	return now + int64(time.Until(at))
}

// passDeadlines tells the guard of each new deadline.
func (p *child) passDeadlines() {
	for {
		at, changed := p.spec.deadline()
		if time.Until(at) > 0 { // else ownership has ended, and the guard has the last
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

func (p *child) send(kind byte, value int64) { writeMessage(p.conn, message{kind, value}) }

// listen hears from the guard until the child has ended.
func (p *child) listen() {
	defer close(p.done)
	defer p.conn.Close()
	defer controlling.release(p)
	for {
		m, err := readMessage(p.conn)
		switch {
		case err != nil:
			p.watchdog.Wait()
			p.watchdogDied()
			return
		case m.kind == msgStopped:
			p.setStopped(true)
			p.onStop(syscall.Signal(m.value))
		case m.kind == msgContinued:
			p.setStopped(false)
		case m.kind == msgEnded:
			p.watchdog.Wait()
			st := syscall.WaitStatus(m.value)
			if st.Signaled() {
				p.killedBy = st.Signal()
				p.code = exitSignalled + int(p.killedBy)
			} else {
				p.code = st.ExitStatus()
			}
			return
		}
	}
}

// groupPoll is how often to look whether the child's group is empty, of which no
// system call tells.
const groupPoll = 20 * time.Millisecond

// watchdogDied is called when the guard has been killed. The child must not go on
// without one.
func (p *child) watchdogDied() {
	p.killedBy = syscall.SIGKILL
	p.code = exitFailed
	p.failure = errWatchdogKilled
	gone := time.Now().Add(time.Second) // whoever adopted them may not reap them
	for syscall.Kill(-p.pid, syscall.SIGKILL) == nil && time.Now().Before(gone) {
		time.Sleep(groupPoll)
	}
}

func (p *child) setStopped(b bool) {
	p.mu.Lock()
	p.stopped = b
	p.mu.Unlock()
}

func (p *child) isStopped() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stopped
}

// onStop is called when the child has been stopped.
func (p *child) onStop(sig syscall.Signal) {
	switch {
	case sig == syscall.SIGTTIN || sig == syscall.SIGTTOU:
		// It wants the terminal.
		if controlling.take(p) {
			p.send(msgSignal, int64(syscall.SIGCONT))
			return
		}
		p.spec.notice("%s waits for the terminal; bring zkr to the foreground (fg)", p.name)
		go p.awaitTerminal()
	case sig == syscall.SIGTSTP && controlling.has(p):
		// Ctrl-Z. Whoever owns something must not be suspended: it would hold up
		// everybody else, and the shell does not know of this group. Members of
		// the group that suspend themselves later are continued as well.
		p.spec.notice("%s is not suspended while it owns something", p.name)
		for _, d := range []time.Duration{0, 100 * time.Millisecond, time.Second} {
			time.AfterFunc(d, func() { p.signal(syscall.SIGCONT) })
		}
	default:
		p.spec.notice("%s is stopped (%v)", p.name, sig)
		if controlling.has(p) {
			controlling.release(p) // so that Ctrl-C reaches zkr
			go p.awaitTerminal()
		}
	}
}

// terminalPoll is how often to look whether zkr has come to the foreground, of
// which no signal tells.
const terminalPoll = 50 * time.Millisecond

// awaitTerminal gives the child the terminal when zkr is in the foreground.
func (p *child) awaitTerminal() {
	poll := time.NewTicker(terminalPoll)
	defer poll.Stop()
	for p.isStopped() {
		select {
		case <-poll.C:
		case <-p.done:
			return
		}
		if p.isStopped() && controlling.take(p) {
			p.send(msgSignal, int64(syscall.SIGCONT))
			return
		}
	}
}

// signal passes a signal on to the child's group.
func (p *child) signal(sig syscall.Signal) {
	select {
	case <-p.done:
	default:
		p.send(msgSignal, int64(sig))
	}
}

// end stops the child with its whole group, by force after the grace. It returns
// when the child has ended with all that the guard knows of.
func (p *child) end(grace time.Duration) {
	p.send(msgEnd, int64(grace))
	select {
	case <-p.done:
		return
	case <-time.After(grace):
	}
	// The guard does the same now, unless it does not run. The child is its child until
	// it says that the child has ended, so that the number is not another's.
	syscall.Kill(-p.pid, syscall.SIGKILL)
	select {
	case <-p.done:
	case <-time.After(2 * time.Second):
		p.watchdog.Kill()
		<-p.done
	}
}
