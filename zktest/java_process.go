package zktest

import (
	"os"
	"os/exec"
	"runtime"
	"time"
)

// stopTimeout is how long a server gets to stop by itself.
const stopTimeout = 5 * time.Second

// A process is a running Java virtual machine that does not outlive this
// process, however this process ends, where the system can see to that.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// startProcess runs cmd, with output to the file at log.
func startProcess(cmd *exec.Cmd, log string) (*process, error) {
	out, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = processAttributes()

	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// Linux sends the signal for a parent's death at the death of the
		// thread that started the child, so the thread has to stay. It is not
		// unlocked: nobody needs it afterwards.
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

// alive reports whether p runs; a nil process does not.
func (p *process) alive() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// kill ends p at once.
func (p *process) kill() {
	if p.alive() {
		p.cmd.Process.Kill()
		<-p.done
	}
}

// stop asks p to end, and ends it if it does not.
func (p *process) stop() {
	if !p.alive() {
		return
	}
	p.terminate()
	select {
	case <-p.done:
	case <-time.After(stopTimeout):
		p.kill()
	}
}
