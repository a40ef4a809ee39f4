//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package main

import (
	"cmp"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// child is the command that runs. Here it has neither a process group of its own
// nor a way to be told gently.
type child struct {
	proc     *os.Process
	done     chan struct{} // closed when it has ended
	code     int           // once it has ended
	killedBy syscall.Signal
	failure  error // always nil: there is no guard
}

func startChild(c *command, t childSpec) (*child, error) {
	cmd := &exec.Cmd{Path: c.file, Args: c.argv, Env: t.env, Stdin: t.stdin, Stdout: cmp.Or(t.stdout, os.Stdout), Stderr: cmp.Or(t.stderr, os.Stderr)}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &child{proc: cmd.Process, done: make(chan struct{})}
	if t.deadline != nil {
		go p.killAtDeadline(t.deadline)
	}
	go func() {
		defer close(p.done)
		cmd.Wait()
		if p.code = cmd.ProcessState.ExitCode(); p.code < 0 {
			p.code = exitSignalled + int(syscall.SIGKILL)
		}
	}()
	return p, nil
}

// watchdogMode is the first argument of a guard process, of which there is none here.
const watchdogMode = "__guard"

func watchdogMain([]string) int { return exitFailed }

// killAtDeadline kills the child when the deadline passes. It can do so only as long
// as zkr runs.
func (p *child) killAtDeadline(deadline func() (time.Time, <-chan struct{})) {
	var expired <-chan time.Time
	for {
		at, changed := deadline()
		if d := time.Until(at); d > 0 {
			expired = time.After(d)
		}
		select {
		case <-changed: // blocks when there is no further one
		case <-expired:
			p.proc.Kill()
			return
		case <-p.done:
			return
		}
	}
}

// signal passes a signal on to the child. On Windows the console has done that
// already.
func (p *child) signal(sig syscall.Signal) { p.proc.Signal(sig) }

// end stops the child, by force where it cannot be asked to.
func (p *child) end(grace time.Duration) {
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
