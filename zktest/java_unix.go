//go:build unix

package zktest

import (
	"os"
	"syscall"
)

// terminate asks p to end. A paused process would hear of it only when
// resumed.
func (p *process) terminate() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	p.cmd.Process.Signal(syscall.SIGCONT)
}

func (p *process) pause() error  { return p.cmd.Process.Signal(syscall.SIGSTOP) }
func (p *process) resume() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// tryLock takes the folder for this process, until f is closed or the process
// ends, unless another process has it.
func tryLock(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
