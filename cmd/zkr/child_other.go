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
}

func startChild(c *command, t task) (*child, error) {
	cmd := &exec.Cmd{Path: c.file, Args: c.argv, Env: t.env, Stdin: t.stdin, Stdout: cmp.Or(t.stdout, os.Stdout), Stderr: cmp.Or(t.stderr, os.Stderr)}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &child{proc: cmd.Process, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		cmd.Wait()
		if p.code = cmd.ProcessState.ExitCode(); p.code < 0 {
			p.code = exitSignalled + int(syscall.SIGKILL)
		}
	}()
	return p, nil
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
