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
	task     task
	guard    *os.Process
	conn     *os.File      // to the guard
	done     chan struct{} // closed when it has ended
	code     int           // once it has ended
	killedBy syscall.Signal
	failure  error // why code is not the child's own

	mu      sync.Mutex
	stopped bool
}

// startChild runs c.
func startChild(c *command, t task) (*child, error) {
	p := &child{name: c.argv[0], task: t, done: make(chan struct{})}
	front := t.interactive && controlling.free()
	m, err := p.startGuard(c, front)
	if err != nil {
		return nil, exit(exitFailed, err)
	}
	if m.kind != saysStarted {
		p.conn.Close()
		p.guard.Wait()
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

// startGuard starts the guard, which starts c, and returns its first message.
func (p *child) startGuard(c *command, front bool) (message, error) {
	self, err := executable()
	if err != nil {
		return message{}, err
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return message{}, err
	}
	defer theirs.Close()
	files := []*os.File{p.task.stdin, cmp.Or(p.task.stdout, os.Stdout), cmp.Or(p.task.stderr, os.Stderr)}
	for fd := uintptr(len(files)); inherited(fd); fd++ {
		files = append(files, os.NewFile(fd, "inherited"))
	}
	argv := append([]string{os.Args[0], guardMode, strconv.Itoa(len(files)), strconv.FormatInt(p.deadline(), 10), "0", c.file}, c.argv...)
	if front {
		argv[4] = "1"
	}
	p.guard, err = os.StartProcess(self, argv, &os.ProcAttr{
		Env: p.task.env, Files: append(files, theirs), Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		ours.Close()
		return message{}, err
	}
	p.conn = ours
	theirs.Close()
	// The guard hears of later deadlines only when the command has been started.
	if p.task.deadline != nil {
		if at, _ := p.task.deadline(); !at.IsZero() {
			ours.SetReadDeadline(at)
		}
	}
	m, err := readMessage(ours)
	ours.SetReadDeadline(time.Time{})
	if err != nil {
		ours.Close()
		p.guard.Kill()
		p.guard.Wait()
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
	if p.task.deadline == nil {
		return 0
	}
	at, _ := p.task.deadline()
	return onGuardsClock(at)
}

// onGuardsClock never returns a moment after at, even if zkr is stopped meanwhile.
func onGuardsClock(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	now := monotonic()
	return now + int64(time.Until(at))
}

// passDeadlines tells the guard of each new deadline.
func (p *child) passDeadlines() {
	for {
		at, changed := p.task.deadline()
		if time.Until(at) > 0 { // else ownership has ended, and the guard has the last
			p.tell(toldDeadline, onGuardsClock(at))
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

func (p *child) tell(kind byte, value int64) { writeMessage(p.conn, message{kind, value}) }

// listen hears from the guard until the child has ended.
func (p *child) listen() {
	defer close(p.done)
	defer p.conn.Close()
	defer controlling.release(p)
	for {
		m, err := readMessage(p.conn)
		switch {
		case err != nil:
			p.guard.Wait()
			p.unguarded()
			return
		case m.kind == saysStopped:
			p.setStopped(true)
			p.onStop(syscall.Signal(m.value))
		case m.kind == saysContinued:
			p.setStopped(false)
		case m.kind == saysEnded:
			p.guard.Wait()
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

// unguarded is called when the guard has been killed. The child must not go on
// without one.
func (p *child) unguarded() {
	p.killedBy = syscall.SIGKILL
	p.code = exitFailed
	p.failure = errGuardKilled
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
			p.tell(toldSignal, int64(syscall.SIGCONT))
			return
		}
		p.task.say("%s waits for the terminal; bring zkr to the foreground (fg)", p.name)
		go p.awaitTerminal()
	case sig == syscall.SIGTSTP && controlling.has(p):
		// Ctrl-Z. Whoever owns something must not be suspended: it would hold up
		// everybody else, and the shell does not know of this group. Members of
		// the group that suspend themselves later are continued as well.
		p.task.say("%s is not suspended while it owns something", p.name)
		for _, d := range []time.Duration{0, 100 * time.Millisecond, time.Second} {
			time.AfterFunc(d, func() { p.signal(syscall.SIGCONT) })
		}
	default:
		p.task.say("%s is stopped (%v)", p.name, sig)
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
			p.tell(toldSignal, int64(syscall.SIGCONT))
			return
		}
	}
}

// signal passes a signal on to the child's group.
func (p *child) signal(sig syscall.Signal) {
	select {
	case <-p.done:
	default:
		p.tell(toldSignal, int64(sig))
	}
}

// end stops the child with its whole group, by force after the grace. It returns
// when the child has ended with all that the guard knows of.
func (p *child) end(grace time.Duration) {
	p.tell(toldEnd, int64(grace))
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
		p.guard.Kill()
		<-p.done
	}
}
