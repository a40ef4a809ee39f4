//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package proc

import (
	"cmp"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Child is a command that was started. On this system it has no process group of
// its own and no watchdog.
type Child struct {
	proc  *os.Process
	input *inputPipe    // nil without input
	done  chan struct{} // closed when the child has ended

	// Valid when done is closed.
	code     int
	killedBy syscall.Signal
	failure  error // always nil: there is no watchdog
}

func startChild(c *Command, spec Spec) (*Child, error) {
	cmd := &exec.Cmd{Path: c.File, Args: c.Args, Env: spec.Env, Stdin: spec.Stdin, Stdout: cmp.Or(spec.Stdout, os.Stdout), Stderr: cmp.Or(spec.Stderr, os.Stderr)}
	if err := cmd.Start(); err != nil {
		return nil, &ExecError{err}
	}
	p := &Child{proc: cmd.Process, done: make(chan struct{})}
	if spec.Deadline != nil {
		go p.killAtDeadline(spec.Deadline)
	}
	go func() {
		defer close(p.done)
		cmd.Wait()
		if p.code = cmd.ProcessState.ExitCode(); p.code < 0 {
			p.code = ExitSignaled + int(syscall.SIGKILL)
		}
	}()
	return p, nil
}

// WatchdogMain fails: there are no watchdog processes on this system.
func WatchdogMain([]string) int { return watchdogFailed }

// killAtDeadline kills the child at its deadline, but only while zkr runs.
func (p *Child) killAtDeadline(deadline func() (time.Time, <-chan struct{})) {
	var expired <-chan time.Time
	for {
		at, changed := deadline()
		if d := time.Until(at); d > 0 {
			expired = time.After(d)
		}
		select {
		case <-changed: // nil, which blocks, if the deadline does not change any more
		case <-expired:
			p.proc.Kill()
			return
		case <-p.done:
			return
		}
	}
}

// signal relays a signal to the child. On Windows the console has already sent it.
func (p *Child) signal(sig syscall.Signal) { p.proc.Signal(sig) }

// Stop ends the child: with TERM where the system has it, and after the grace, or
// at once without TERM, by killing it. It returns when the child has ended.
func (p *Child) Stop(grace time.Duration) {
	if p.proc.Signal(syscall.SIGTERM) == nil {
		select {
		case <-p.done:
			return
		case <-time.After(grace):
		}
	}
	p.proc.Kill()
	<-p.done
}
