package javaproc

import (
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/channel"
)

// stopTimeout is how long Stop waits before it kills the process.
const stopTimeout = 5 * time.Second

// A Process is a child process. On Linux the system kills it when this process dies.
// A nil Process is one that has never run.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// Start runs cmd and appends its output to the file at log.
func Start(cmd *exec.Cmd, log string) (*Process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = processAttributes()

	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Linux sends the parent-death signal when the thread that started the
		// child ends, so this goroutine keeps its thread until the child has ended.
		runtime.LockOSThread()
		defer close(p.done)
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// Alive reports whether the process is running.
func (p *Process) Alive() bool {
	return p != nil && !channel.IsClosed(p.done)
}

// Kill kills the process and waits until it has ended.
func (p *Process) Kill() {
	if p.Alive() {
		p.cmd.Process.Kill()
		<-p.done
	}
}

// Stop asks the process to end, waits until it has, and kills it after stopTimeout.
func (p *Process) Stop() {
	if !p.Alive() {
		return
	}
	p.terminate()
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		p.Kill()
	}
}

// Done returns a channel that is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// State describes how the process has ended. It may be called after Done is closed.
func (p *Process) State() *os.ProcessState { return p.cmd.ProcessState }
