//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package main

import (
	"cmp"
	"os"
	"runtime"
	"syscall"
	"time"
)

// child is the command that runs. It leads a process group of its own, to which
// all signals go, so that they reach its children as well.
type child struct {
	pid      int
	terminal bool          // it has been given the terminal
	done     chan struct{} // closed when it has ended
	code     int           // once it has ended
	killedBy syscall.Signal
}

// startChild runs c.
func startChild(c *command, t task) (*child, error) {
	p := &child{done: make(chan struct{}), terminal: t.interactive && inForeground()}
	started := make(chan error)
	go func() {
		// Linux takes the end of the thread that started a child for the end of
		// its parent (see dieWithParent), so this one has to stay until then. It
		// is not unlocked: nobody needs it afterwards.
		runtime.LockOSThread()
		err := p.start(c, t)
		started <- err
		if err == nil {
			p.wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

func (p *child) start(c *command, t task) error {
	attr := &syscall.SysProcAttr{Setpgid: true, Foreground: p.terminal, Ctty: stdin}
	dieWithParent(attr)
	proc, err := os.StartProcess(c.file, c.argv, &os.ProcAttr{
		Env:   t.env,
		Files: []*os.File{t.stdin, cmp.Or(t.stdout, os.Stdout), cmp.Or(t.stderr, os.Stderr)},
		Sys:   attr,
	})
	if err != nil {
		return err
	}
	p.pid = proc.Pid
	if p.terminal {
		shareTerminal()
	}
	return proc.Release() // package os cannot wait for stops, so wait does it all
}

// wait returns when the child has ended.
func (p *child) wait() {
	defer close(p.done)
	for {
		var st syscall.WaitStatus
		_, err := syscall.Wait4(p.pid, &st, syscall.WUNTRACED, nil)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil: // cannot be: nobody else waits for it
			p.code = exitFailed
		case st.Stopped():
			p.stopped(st.StopSignal())
			continue
		case st.Signaled():
			p.killedBy = st.Signal()
			p.code = exitSignalled + int(p.killedBy)
		default:
			p.code = st.ExitStatus()
		}
		if p.terminal {
			reclaimTerminal()
		}
		return
	}
}

// stopped is called when the child has been stopped.
func (p *child) stopped(sig syscall.Signal) {
	switch {
	case p.terminal && sig == syscall.SIGTSTP:
		// Ctrl-Z. Whoever owns something must not be suspended: it would hold up
		// everybody else, and the shell does not know of this group.
		syscall.Kill(-p.pid, syscall.SIGCONT)
	case (sig == syscall.SIGTTIN || sig == syscall.SIGTTOU) && inForeground():
		// zkr was started in the background and has been brought to the front.
		p.terminal = true
		shareTerminal()
		setForeground(p.pid)
		syscall.Kill(-p.pid, syscall.SIGCONT)
	}
}

// signal passes a signal on to the child's group.
func (p *child) signal(sig syscall.Signal) {
	select {
	case <-p.done: // its number may belong to somebody else by now
	default:
		syscall.Kill(-p.pid, sig)
	}
}

// groupPoll is how often end looks whether the child's group is empty, of which
// no system call tells.
const groupPoll = 20 * time.Millisecond

// end stops the child with its whole group, by force after the grace. It returns
// when the child has ended, and the group unless it withstands even force.
func (p *child) end(grace time.Duration) {
	syscall.Kill(-p.pid, syscall.SIGTERM)
	syscall.Kill(-p.pid, syscall.SIGCONT) // whoever is stopped hears of the first only now
	expired := time.After(grace)
	poll := time.NewTicker(groupPoll)
	defer poll.Stop()
	for syscall.Kill(-p.pid, 0) != syscall.ESRCH {
		select {
		case <-expired:
			syscall.Kill(-p.pid, syscall.SIGKILL)
			<-p.done
			return
		case <-poll.C:
		}
	}
	<-p.done
}
